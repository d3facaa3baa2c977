// A parsed TCP segment: what parse() made of a frame, in host byte order, checked against every
// length. 64 bytes, so that a burst of them is an array that the path walks line by line.
#pragma once

#include <cstdint>

#include "flow/key.hpp"

namespace salut::wire {

// The control bits of RFC 9293 §3.1, as they stand in the header's 14th byte.
enum TcpFlag : std::uint8_t {
  fin = 0x01,
  syn = 0x02,
  rst = 0x04,
  psh = 0x08,
  ack = 0x10,
  urg = 0x20,
  ece = 0x40,
  cwr = 0x80,
};

struct Segment {
  flow::Key key;               // as a connection of ours has it: remote is the sender
  std::uint32_t seq = 0;       // SEG.SEQ
  std::uint32_t ack = 0;       // SEG.ACK
  std::uint16_t wnd = 0;       // SEG.WND as sent, unscaled
  std::uint8_t flags = 0;      // TcpFlag
  std::uint8_t port = 0;       // interface index
  std::uint16_t frame = 0;     // index into the burst
  std::uint16_t payload_offset = 0;  // from the start of the frame
  std::uint16_t payload_length = 0;  // bytes
  std::uint16_t mss = 0;       // MSS option; 0 if absent
  std::uint16_t options_offset = 0;  // from the start of the frame
  std::uint8_t options_length = 0;   // bytes, 0..40
  std::uint8_t reserved = 0;
  std::uint64_t hash = 0;      // of key; filled in by the path, not by parse()
  std::uint64_t reserved2[2] = {};

  // SEG.LEN: SYN and FIN occupy a sequence number each.
  std::uint32_t len() const {
    return payload_length + ((flags & syn) != 0 ? 1u : 0u) + ((flags & fin) != 0 ? 1u : 0u);
  }
};
static_assert(sizeof(Segment) == 64);

}  // namespace salut::wire
