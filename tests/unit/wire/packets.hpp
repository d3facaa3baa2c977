// Packets for the tests of src/wire, made byte by byte and independent of emit.cpp: what a test
// believes of a header must not come from the code under test.
//
// A Buffer is a heap allocation of exactly the frame's size, so that the address sanitizer sees a
// read of one byte too many.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "salut/address.hpp"
#include "salut/frame.hpp"
#include "wire/headers.hpp"
#include "wire/segment.hpp"

namespace salut::wire::test {

using Bytes = std::vector<std::uint8_t>;

inline constexpr Mac our_mac = {{0x02, 0, 0, 0, 0, 0x01}};
inline constexpr Mac peer_mac = {{0x02, 0, 0, 0, 0, 0x02}};
inline constexpr Mac other_mac = {{0x02, 0, 0, 0, 0, 0x03}};
inline constexpr std::uint32_t our_ip = 0x0a000001;  // host order
inline constexpr std::uint32_t peer_ip = 0x0a000002;
inline constexpr IpAddress our_ip6 = IpAddress::v6(0xfd00'0000'0000'0000, 1);
inline constexpr IpAddress peer_ip6 = IpAddress::v6(0xfd00'0000'0000'0000, 2);

class Buffer {
 public:
  // `slack`: bytes of the buffer behind the frame, full of what nobody may take for a part of it.
  explicit Buffer(const Bytes& bytes, std::uint16_t flags = 0, std::size_t slack = 0)
      : memory_(new std::byte[bytes.size() + slack]) {
    std::transform(bytes.begin(), bytes.end(), memory_.get(),
                   [](std::uint8_t byte) { return std::byte{byte}; });
    const auto length = static_cast<std::uint16_t>(bytes.size());
    std::fill_n(memory_.get() + length, slack, std::byte{0xa5});
    const auto room = static_cast<std::uint16_t>(length + slack);
    frame = Frame{memory_.get(), nullptr, length, room, flags, 0};
  }
  // Room to emit into.
  explicit Buffer(std::size_t room) : memory_(new std::byte[room]) {
    frame = Frame{memory_.get(), nullptr, 0, static_cast<std::uint16_t>(room), 0, 0};
  }
  Bytes bytes() const {
    Bytes out(frame.length);
    std::transform(frame.data, frame.data + frame.length, out.begin(),
                   [](std::byte byte) { return std::to_integer<std::uint8_t>(byte); });
    return out;
  }

  Frame frame;

 private:
  std::unique_ptr<std::byte[]> memory_;
};

inline void put16(Bytes& bytes, std::size_t at, unsigned value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}
inline void put32(Bytes& bytes, std::size_t at, std::uint32_t value) {
  put16(bytes, at, value >> 16);
  put16(bytes, at + 2, value & 0xffff);
}
inline unsigned get16(const Bytes& bytes, std::size_t at) {
  return static_cast<unsigned>(bytes[at] << 8 | bytes[at + 1]);
}

// RFC 1071 as its text has it: big-endian words, one at a time, carries at the end.
inline std::uint32_t naive_sum(const std::uint8_t* bytes, std::size_t length) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < length; ++i) {
    sum += i % 2 == 0 ? static_cast<std::uint32_t>(bytes[i]) << 8 : bytes[i];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}
inline unsigned naive_checksum(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

// Makes the checksums of an IPv4 frame right again after a test changed something. Lengths that
// lie are believed as far as the bytes go.
inline void fix_checksums(Bytes& frame) {
  const std::size_t header = static_cast<std::size_t>(frame[14] & 15) * 4;
  if (header < 20 || 14 + header > frame.size()) return;
  put16(frame, 24, 0);
  put16(frame, 24, naive_checksum(naive_sum(&frame[14], header)));
  const std::size_t total = get16(frame, 16);
  if (total < header || 14 + total > frame.size()) return;
  const std::size_t at = 14 + header;
  const std::size_t length = total - header;
  const bool tcp = frame[23] == 6;
  const std::size_t field = at + (tcp ? 16 : 2);
  if (field + 2 > 14 + total) return;
  put16(frame, field, 0);
  std::uint32_t sum = naive_sum(frame.data() + at, length);
  if (tcp) sum += naive_sum(&frame[26], 8) + 6 + static_cast<std::uint32_t>(length);
  put16(frame, field, naive_checksum(sum));
}

// Of an IPv6 frame without extension headers.
inline void fix_checksums_6(Bytes& frame) {
  if (frame.size() < 54) return;
  const std::size_t length = get16(frame, 18);
  if (54 + length > frame.size()) return;
  const unsigned next = frame[20];
  const std::size_t field = 54 + (next == 6 ? 16 : 2);
  if (field + 2 > 54 + length) return;
  put16(frame, field, 0);
  const std::uint32_t sum = naive_sum(&frame[54], length) + naive_sum(&frame[22], 32) + next +
                            static_cast<std::uint32_t>(length);
  put16(frame, field, naive_checksum(sum));
}

// Not insert(): g++ 12 sees an overflow in it where there is none.
inline void append(Bytes& bytes, const Bytes& more) {
  for (std::uint8_t byte : more) bytes.push_back(byte);
}

inline Bytes ethernet(const Mac& to, const Mac& from, unsigned type) {
  Bytes frame(14);
  std::copy(to.bytes.begin(), to.bytes.end(), frame.begin());
  std::copy(from.bytes.begin(), from.bytes.end(), frame.begin() + 6);
  put16(frame, 12, type);
  return frame;
}

inline Bytes ipv4(unsigned protocol, const Bytes& payload, const Bytes& options = {}) {
  Bytes frame = ethernet(our_mac, peer_mac, 0x0800);
  frame.resize(34);
  frame[14] = static_cast<std::uint8_t>(0x40 | (20 + options.size()) / 4);
  put16(frame, 16, static_cast<unsigned>(20 + options.size() + payload.size()));
  put16(frame, 18, 0x1234);
  put16(frame, 20, 0x4000);
  frame[22] = 61;
  frame[23] = static_cast<std::uint8_t>(protocol);
  put32(frame, 26, peer_ip);
  put32(frame, 30, our_ip);
  append(frame, options);
  append(frame, payload);
  fix_checksums(frame);
  return frame;
}

// `headers`: extension headers that end in `next`, with the type of the first as `first`.
inline Bytes ipv6(unsigned next, const Bytes& payload, const Bytes& headers = {},
                  unsigned first = 0) {
  Bytes frame = ethernet(our_mac, peer_mac, 0x86dd);
  frame.resize(54);
  frame[14] = 0x60;
  put16(frame, 18, static_cast<unsigned>(payload.size()));
  frame[20] = static_cast<std::uint8_t>(next);
  frame[21] = 61;
  std::copy(peer_ip6.bytes().begin(), peer_ip6.bytes().end(), frame.begin() + 22);
  std::copy(our_ip6.bytes().begin(), our_ip6.bytes().end(), frame.begin() + 38);
  append(frame, payload);
  fix_checksums_6(frame);
  if (headers.empty()) return frame;
  // The checksum knows nothing of extension headers.
  Bytes whole(frame.begin(), frame.begin() + 54);
  put16(whole, 18, static_cast<unsigned>(headers.size() + payload.size()));
  whole[20] = static_cast<std::uint8_t>(first);
  append(whole, headers);
  append(whole, Bytes(frame.begin() + 54, frame.end()));
  return whole;
}

struct TcpSpec {
  unsigned source_port = 40000;
  unsigned destination_port = 80;
  std::uint32_t seq = 0xfffffff0;  // just below the wrap
  std::uint32_t ack = 0x01020304;
  unsigned flags = 0x10;
  unsigned window = 0xfedc;
  Bytes options = {};
  Bytes payload = {};
  Bytes ip_options = {};
};

inline Bytes tcp_bytes(const TcpSpec& spec) {
  Bytes tcp(20);
  put16(tcp, 0, spec.source_port);
  put16(tcp, 2, spec.destination_port);
  put32(tcp, 4, spec.seq);
  put32(tcp, 8, spec.ack);
  tcp[12] = static_cast<std::uint8_t>((20 + spec.options.size()) / 4 << 4);
  tcp[13] = static_cast<std::uint8_t>(spec.flags);
  put16(tcp, 14, spec.window);
  append(tcp, spec.options);
  append(tcp, spec.payload);
  return tcp;
}

// From peer_ip to our_ip, checksums right.
inline Bytes tcp_packet(const TcpSpec& spec) { return ipv4(6, tcp_bytes(spec), spec.ip_options); }
// From peer_ip6 to our_ip6.
inline Bytes tcp_packet_6(const TcpSpec& spec, const Bytes& headers = {}, unsigned first = 0) {
  return ipv6(6, tcp_bytes(spec), headers, first);
}

// A neighbour solicitation (135) or advertisement (136) of peer_ip6: for our address to all that
// may have it, or to us.
inline Bytes ndp_packet(unsigned type, bool option = true) {
  const bool asks = type == 135;
  Bytes icmp(24);
  icmp[0] = static_cast<std::uint8_t>(type);
  icmp[4] = asks ? 0 : 0x60;  // solicited, override
  const IpAddress& target = asks ? our_ip6 : peer_ip6;
  std::copy(target.bytes().begin(), target.bytes().end(), icmp.begin() + 8);
  if (option) {
    append(icmp, {static_cast<std::uint8_t>(asks ? 1 : 2), 1});
    append(icmp, Bytes(peer_mac.bytes.begin(), peer_mac.bytes.end()));
  }
  Bytes frame = ipv6(58, icmp);
  frame[21] = 255;
  if (asks) {
    const Bytes to = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 1};
    std::copy(to.begin(), to.end(), frame.begin() + 38);
    const Bytes mac = {0x33, 0x33, 0xff, 0, 0, 1};
    std::copy(mac.begin(), mac.end(), frame.begin());
    fix_checksums_6(frame);
  }
  return frame;
}
inline Bytes echo_packet_6(std::size_t size) {
  Bytes icmp = {128, 0, 0, 0, 0xab, 0xcd, 0x00, 0x07};
  for (std::size_t i = 0; i < size; ++i) icmp.push_back(static_cast<std::uint8_t>(i));
  return ipv6(58, icmp);
}

inline const Bytes mss_1460 = {2, 4, 0x05, 0xb4};
inline constexpr unsigned flag_fin = 1, flag_syn = 2, flag_rst = 4, flag_psh = 8, flag_ack = 16;

inline Bytes syn_packet(Bytes options = mss_1460) {
  return tcp_packet({.flags = flag_syn, .options = std::move(options)});
}
inline Bytes data_packet(std::size_t size) {
  Bytes payload(size);
  for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<std::uint8_t>(i * 7 + 1);
  return tcp_packet({.flags = flag_psh | flag_ack, .payload = payload});
}
inline Bytes echo_packet(std::size_t size) {
  Bytes icmp = {8, 0, 0, 0, 0xab, 0xcd, 0x00, 0x07};
  for (std::size_t i = 0; i < size; ++i) icmp.push_back(static_cast<std::uint8_t>(i));
  return ipv4(1, icmp);
}
inline Bytes arp_packet(unsigned op, const Mac& to = broadcast_mac) {
  Bytes frame = ethernet(to, peer_mac, 0x0806);
  frame.resize(42);
  put16(frame, 14, 1);
  put16(frame, 16, 0x0800);
  frame[18] = 6;
  frame[19] = 4;
  put16(frame, 20, op);
  std::copy(peer_mac.bytes.begin(), peer_mac.bytes.end(), frame.begin() + 22);
  put32(frame, 28, peer_ip);
  put32(frame, 38, our_ip);
  return frame;
}

// What parse() sets on a TCP segment.
inline bool same_segment(const Segment& a, const Segment& b) {
  return a.key == b.key && a.seq == b.seq && a.ack == b.ack && a.wnd == b.wnd &&
         a.flags == b.flags && a.port == b.port && a.payload_offset == b.payload_offset &&
         a.payload_length == b.payload_length && a.mss == b.mss &&
         a.options_offset == b.options_offset && a.options_length == b.options_length &&
         a.ip_offset == b.ip_offset && a.traffic_class == b.traffic_class && a.ip6 == b.ip6;
}

}  // namespace salut::wire::test
