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

}  // namespace salut::wire
