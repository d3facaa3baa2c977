// A received frame becomes a Segment, an ARP or ICMP packet, or a drop with its reason.
//
// Nothing in a packet is believed: each length is checked before what it promises is read. The
// fast path (IPv4 without options or IPv6 without extension headers, whole, TCP, for our MAC)
// is a list of exits OR-ed into two branches that always go the same way, then the checksum.
// Whatever leaves it is parsed again from the start by parse_step_by_step(), which knows every
// reason; the two agree on all frames, and tests/unit/wire holds them to it.
//
// Which of our addresses a packet is for, and whether it is one at all, is the engine's business:
// Segment::key is filled in for TCP, source as remote; the addresses of IPv6 are folded in it
// (base/address.hpp), and the whole ones stay in the frame, at address_at().
//
// IPv6 extension headers (parse_ipv6.cpp): hop-by-hop and destination options are skipped if every
// option in them may be, a routing header if it has no segments left and is not of type 0, a
// fragment header if it stands before a whole packet (RFC 6946). At most eight headers; jumbograms
// and everything else are refused.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/address.hpp"
#include "salut/counters.hpp"
#include "salut/frame.hpp"
#include "wire/headers.hpp"
#include "wire/segment.hpp"

namespace salut::wire {

enum class Kind : std::uint8_t { tcp, arp, icmp, drop };

struct ParseOptions {
  bool verify_checksums = true;             // of IP, TCP and ICMP, where the device has not
  Mac mac;                                  // ours, on the port of the frame
  const AddressFold* fold = &unkeyed_fold;  // of IPv6 addresses into Segment::key
};

struct Parsed {
  Kind kind = Kind::drop;
  Drop drop = Drop::none;  // why, if `kind` is drop

  friend constexpr bool operator==(const Parsed&, const Parsed&) = default;
};

// tcp: all of `out` is set but frame, hash and the reserved fields, which are left as they were.
// icmp: ICMP or, with out.ip6, ICMPv6: ip_offset, port, and payload_* is the message.
// arp: unchecked, ip/arp.hpp is what reads it. drop and arp: `out` means nothing.
Parsed parse(const Frame& frame, const ParseOptions& options, Segment& out);

// What parse() would have answered without its fast path.
Parsed parse_step_by_step(const Frame& frame, const ParseOptions& options, Segment& out);

// Source and destination address, next to each other, of a parsed TCP or ICMP packet.
inline const std::byte* address_at(const Frame& frame, const Segment& segment) {
  return frame.data + segment.ip_offset +
         (segment.ip6 ? offsetof(Ipv6Header, source) : offsetof(Ipv4Header, source));
}

}  // namespace salut::wire
