// The boundary between the protocol and the machine: frames, the pool they come from, and a device.
//
// To the core a frame is bytes with an owner. src/io/dpdk makes frames of mbufs, src/io/sim of
// plain memory. A call handles a burst, so that a packet pays little for its virtual dispatch.
// Threads: that of the engine that uses the pool or the device.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "salut/export.hpp"

namespace salut {

// What a device says about a received frame, and what it must do to one that it transmits.
enum FrameFlag : std::uint16_t {
  ip_checksum_good = 1,   // verified by the device
  l4_checksum_good = 2,   // verified by the device, or the sender left it to hardware (virtio)
  checksum_bad = 4,       // the device found one wrong
  scattered = 8,          // in more than one buffer; only the first `length` bytes are at `data`
  l4_checksum_left = 16,  // transmit: the TCP checksum is the pseudo-header's sum, to be completed
  for_learning = 32,      // a copy of an ARP or ND packet, to learn from: another worker answers it
};

struct Frame {
  std::byte* data = nullptr;  // the Ethernet header
  void* handle = nullptr;     // the device's own buffer; the core never looks inside
  std::uint16_t length = 0;   // bytes of frame at `data`
  std::uint16_t room = 0;     // bytes that may be written at `data`, at least `length`
  std::uint16_t flags = 0;    // FrameFlag
  std::uint16_t port = 0;     // index of the stack's interface it came in on or goes out of

  // Sets length, port and flags. It writes one 8-byte word, room included, because the frame is
  // copied next: a load of 8 bytes stalls if narrower stores just wrote its parts.
  void leave_by(std::uint16_t out, std::size_t bytes, std::uint16_t with = 0) {
    const std::uint64_t word =
        bytes | std::uint64_t{room} << 16 | std::uint64_t{with} << 32 | std::uint64_t{out} << 48;
    std::memcpy(reinterpret_cast<std::byte*>(this) + 16, &word, sizeof(word));
  }
};
static_assert(sizeof(Frame) == 24 && offsetof(Frame, length) == 16);
static_assert(std::endian::native == std::endian::little);

// Packet buffers. A frame has one owner at a time. The core gives every frame back, to a device
// (transmit) or to the pool (release), and may reuse a received one to send.
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
  // Takes frames from the front, in order, and returns how many. The caller keeps the rest and
  // tries again next turn: a full queue is back-pressure, not loss.
  virtual unsigned transmit(const Frame* frames, unsigned count) = 0;
};

}  // namespace salut
