// A parsed TCP segment: what parse() made of a frame, in host byte order (but the key), every
// length checked. 64 bytes, so that a burst is an array with one cache line per segment.
#pragma once

#include <cstdint>

#include "base/key.hpp"

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

// Which options a segment has, beside MSS and SACK.
enum OptionBit : std::uint8_t {
  option_has_timestamps = 1,      // tsval, tsecr
  option_has_sack_permitted = 2,  // on a SYN only
  option_has_window_scale = 4,    // on a SYN only: wscale
};

struct Segment {
  Key key;                           // as its receiver sees it: remote is the sender
  std::uint32_t seq = 0;             // SEG.SEQ
  std::uint32_t ack = 0;             // SEG.ACK
  std::uint16_t wnd = 0;             // SEG.WND as sent, unscaled
  std::uint8_t flags = 0;            // TcpFlag
  std::uint8_t port = 0;             // interface index
  std::uint16_t frame = 0;           // index into the burst
  std::uint16_t payload_offset = 0;  // from the start of the frame
  std::uint16_t payload_length = 0;  // bytes
  std::uint16_t mss = 0;             // MSS option of a SYN; 0 if absent
  std::uint16_t options_offset = 0;  // from the start of the frame
  std::uint8_t options_length = 0;   // bytes, 0..40
  std::uint8_t options = 0;          // OptionBit
  std::uint8_t wscale = 0;           // shift count as sent, 0..255
  std::uint8_t ip_offset = 0;        // of the IP header, from the start of the frame
  std::uint8_t traffic_class = 0;    // of the IP header; the low two bits are ECN (RFC 3168)
  std::uint8_t sack_count = 0;       // blocks of eight bytes, 0..4
  std::uint64_t hash = 0;            // of key; the engine fills it in, not parse()
  std::uint32_t tsval = 0;
  std::uint32_t tsecr = 0;
  std::uint16_t sack_offset = 0;  // of the first block, from the start of the frame
  bool ip6 = false;               // key's addresses are folded; the whole ones are in the frame
  std::uint8_t reserved[5] = {};

  // SEG.LEN: SYN and FIN occupy a sequence number each.
  std::uint32_t len() const {
    return payload_length + ((flags & syn) != 0 ? 1u : 0u) + ((flags & fin) != 0 ? 1u : 0u);
  }
};
static_assert(sizeof(Segment) == 64);

}  // namespace salut::wire
