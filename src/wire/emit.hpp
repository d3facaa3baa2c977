// Makes a frame of a segment to send: Ethernet, IPv4 with DF or IPv6, TCP, the checksums.
//
// The payload must be in its place before emit_tcp() is called: the caller has copied it to
// payload_at(), or the frame came with it. Checksums are computed from the fields while they are in
// registers, not from the bytes just written: a load of eight bytes that were stored as two and
// four stalls the CPU until the stores have left its store buffer.
//
//   std::memcpy(payload_at(frame, options.size(), ip6), bytes, size);
//   emit_tcp(frame, {.key = tcb.key, ..., .options = options, .payload_length = size});
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/address.hpp"
#include "base/key.hpp"
#include "salut/frame.hpp"
#include "wire/headers.hpp"
#include "wire/segment.hpp"

namespace salut::wire {

// What is the same in every frame of one family that a station sends: its MAC, the type, and the IP
// header up to the source address, with a zero wherever something else is to be written.
class FrameTemplate {
 public:
  FrameTemplate() = default;
  static FrameTemplate ip4(const Mac& source, std::uint8_t ttl);
  static FrameTemplate ip6(const Mac& source, std::uint8_t hop_limit);

  // Writes the first 38 bytes of a frame. `to`: the destination MAC, in the low 48 bits.
  void put(std::byte* frame, std::uint64_t to) const {
    store(frame, to);
    std::memcpy(frame + sizeof(Mac), bytes_.data(), bytes_.size());
  }
  // Of the constant 32-bit words of the IPv4 header: all but the first and the addresses.
  std::uint32_t sum() const { return sum_; }

 private:
  std::array<std::byte, 32> bytes_ = {};
  std::uint32_t sum_ = 0;
};

// A MAC as FrameTemplate::put() takes it.
inline std::uint64_t as_word(const Mac& mac) {
  std::uint64_t word = 0;
  std::memcpy(&word, &mac, sizeof(Mac));
  return word;
}

// Numbers are in host order, except in the key.
struct TcpOut {
  Key key;                           // as the connection has it: local is the sender
  const AddressPair* ip6 = nullptr;  // IPv6: the whole addresses; the key's are not used
  std::uint32_t flow_label = 0;      // of IPv6, 20 bits
  Mac src_mac;
  Mac dst_mac;
  std::uint32_t seq = 0;
  std::uint32_t ack = 0;
  std::uint16_t wnd = 0;
  std::uint8_t flags = 0;  // TcpFlag
  std::uint8_t ttl = 64;
  std::uint8_t traffic_class = 0;  // DSCP and ECN
  std::uint16_t payload_length = 0;
  bool leave_sum = false;  // the device completes the checksum: store the pseudo-header's sum only
  std::span<const std::byte> options;  // a multiple of 4, at most 40; may lie in the frame itself
};

// Where the caller of emit_tcp() puts the payload.
inline std::byte* payload_at(Frame& frame, std::size_t options_length, bool ip6) {
  return frame.data + (ip6 ? tcp_frame_min_6 : tcp_frame_min) + options_length;
}

// Sets frame.length; a frame below 60 bytes is padded by the device.
// REQUIRES: frame.room >= 54 (IPv6: 74) + options + payload; options as above.
void emit_tcp(Frame& frame, const TcpOut& out);

// The lengths of the headers in bytes, for a device that completes a checksum.
struct Layers {
  std::size_t l2 = 0;  // Ethernet, with a tag if there is one
  std::size_t l3 = 0;
  std::size_t l4 = 0;  // TCP with its options
  bool ip6 = false;
  std::size_t tcp() const { return l2 + l3; }
};
// REQUIRES: a frame made by emit_tcp(), with or without a VLAN tag added later.
Layers layers_of(const std::byte* frame);

}  // namespace salut::wire
