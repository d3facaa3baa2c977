// The wall between the protocol and the machine: frames, the pool they come from, and a device.
//
// The core sees a frame as bytes with an owner. src/io/dpdk makes frames of mbufs, src/io/sim of
// plain memory; calls are per burst, so that their virtual dispatch costs nothing per packet.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "salut/export.hpp"

namespace salut {

// What a device says of a received frame's checksums, and what it is asked for on transmission.
enum FrameFlag : std::uint16_t {
  ip_checksum_good = 1,   // verified by the device
  l4_checksum_good = 2,   // verified by the device, or the sender left it to hardware (virtio)
  checksum_bad = 4,       // the device found one wrong
  scattered = 8,          // in more than one buffer; only the first `length` bytes are at `data`
  l4_checksum_left = 16,  // transmit: the TCP checksum is the pseudo-header's sum, to be completed
  for_learning = 32,  // a copy of what another worker answers: an ARP or neighbour discovery packet
};

struct Frame {
  std::byte* data = nullptr;  // the Ethernet header
  void* handle = nullptr;     // the device's own buffer; the core never looks inside
  std::uint16_t length = 0;   // bytes of frame at `data`
  std::uint16_t room = 0;     // bytes that may be written at `data`, at least `length`
  std::uint16_t flags = 0;    // FrameFlag
  std::uint16_t port = 0;     // index of the stack's interface it came in on or goes out of

  // Sets length, port and flags, all four as one word: a frame is copied next, and a word that was
  // written in pieces cannot be forwarded to the load of the whole.
  void leave_by(std::uint16_t out, std::size_t bytes, std::uint16_t with = 0) {
    const std::uint64_t word =
        bytes | std::uint64_t{room} << 16 | std::uint64_t{with} << 32 | std::uint64_t{out} << 48;
    std::memcpy(reinterpret_cast<std::byte*>(this) + 16, &word, sizeof(word));
  }
};
static_assert(sizeof(Frame) == 24 && offsetof(Frame, length) == 16);
static_assert(std::endian::native == std::endian::little);

// Packet buffers. A frame has one owner at a time: the core gives back each frame that it was
// given, to a device (transmit) or to the pool (release), and may reuse a received one to send.
class SALUT_API FramePool {
 public:
  virtual ~FramePool() = default;
  // Empty frames with at least 1,514 bytes (or the port's MTU + 14) of room, all `count` or none.
  virtual bool acquire(Frame* frames, unsigned count) = 0;
  virtual void release(const Frame* frames, unsigned count) = 0;
};

// One queue of one port.
class SALUT_API Device {
 public:
  virtual ~Device() = default;
  // Up to `count` received frames, now the caller's. Does not wait.
  virtual unsigned receive(Frame* frames, unsigned count) = 0;
  // Takes frames from the front, in order; returns how many. The rest stay the caller's, who tries
  // again next turn: a full queue is back-pressure, not loss.
  virtual unsigned transmit(const Frame* frames, unsigned count) = 0;
};

}  // namespace salut
