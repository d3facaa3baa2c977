// A received frame becomes a Segment, an ARP or ICMP packet, or a drop with its reason.
//
// Nothing in a packet is believed: each length is checked before what it promises is read. The
// straight road (IPv4 without options, whole, TCP, for our MAC) is a list of exits OR-ed into two
// branches that always go the same way, then the checksum. Whatever leaves it is parsed again from
// the start by parse_step_by_step(), which knows every reason; the two agree on all frames, and
// tests/unit/wire holds them to it.
//
// Which of our addresses a packet is for, and whether it is one at all, is the engine's business:
// Segment::key is filled in for TCP and ICMP, source as remote.
#pragma once

#include <cstddef>
#include <cstdint>

#include "salut/counters.hpp"
#include "stack/device.hpp"
#include "wire/arp.hpp"
#include "wire/headers.hpp"
#include "wire/icmp.hpp"
#include "wire/segment.hpp"

namespace salut::wire {

enum class Kind : std::uint8_t { tcp, arp, icmp, drop };

struct ParseOptions {
  bool verify_checksums = true;  // of IP, TCP and ICMP, where the device has not
  Mac mac;                       // ours, on the port of the frame
};

struct Parsed {
  Kind kind = Kind::drop;
  Drop drop = Drop::none;  // why, if `kind` is drop

  friend constexpr bool operator==(const Parsed&, const Parsed&) = default;
};

// tcp: all of `out` is set but frame, hash and the reserved fields, which are left as they were.
// icmp: the addresses of out.key (ports 0), and payload_* is the ICMP message.
// arp: call parse_arp(), which will succeed. drop and arp: `out` means nothing.
Parsed parse(const Frame& frame, const ParseOptions& options, Segment& out);

// What parse() would have answered without its straight road.
Parsed parse_step_by_step(const Frame& frame, const ParseOptions& options, Segment& out);

// The MSS option's value, 0 if there is none. The first one counts. An option whose length is
// below 2 or past the end ends the walk: what follows has no known start.
inline std::uint16_t parse_mss(const std::byte* options, std::size_t length) {
  std::size_t at = 0;
  while (at < length) {
    const auto kind = std::to_integer<std::uint8_t>(options[at]);
    if (kind == option_end) return 0;
    if (kind == option_nop) {
      ++at;
      continue;
    }
    if (length - at < 2) return 0;
    const auto size = std::to_integer<std::uint8_t>(options[at + 1]);
    if (size < 2 || size > length - at) return 0;
    if (kind == option_mss && size == 4) return net16(load<std::uint16_t>(options + at + 2));
    at += size;
  }
  return 0;
}

}  // namespace salut::wire
