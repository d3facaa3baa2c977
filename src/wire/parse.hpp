// Makes of a received frame a Segment, an ARP or ICMP packet, or a drop with its reason.
//
// No length is trusted: each is checked before the bytes that it promises are read. The fast path
// (IPv4 without options or IPv6 without extension headers, whole, TCP, for our MAC) is a list of
// exits OR-ed into two branches that nearly always go the same way, then the checksum. A frame that
// leaves it is parsed again from the start by parse_step_by_step(), which knows every reason. Both
// must agree on every frame; tests/unit/wire checks it.
//
// Whether the destination is an address of ours is left to the engine. For TCP parse() fills in
// Segment::key, with the source as remote; it folds IPv6 addresses (base/address.hpp), and the
// whole ones stay in the frame, at address_at().
//
// IPv6 extension headers (parse_ipv6.cpp): hop-by-hop and destination options are skipped if every
// option in them may be skipped, a routing header if it has no segments left and is not of type 0,
// a fragment header if it holds a whole packet (RFC 6946). At most eight headers are skipped; more,
// jumbograms and other headers are refused.
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
  bool verify_checksums = true;             // of IP, TCP and ICMP, unless the device has done it
  Mac mac;                                  // ours, on the port of the frame
  const AddressFold* fold = &unkeyed_fold;  // folds IPv6 addresses into Segment::key
};

struct Parsed {
  Kind kind = Kind::drop;
  Drop drop = Drop::none;  // why, if `kind` is drop

  friend constexpr bool operator==(const Parsed&, const Parsed&) = default;
};

// What the result leaves in `out`:
// - tcp: every field except frame, hash and reserved, which it does not touch; a field of an option
//   only if the option is there.
// - icmp: ICMP, or ICMPv6 if ip6 is set: ip6, ip_offset, port; payload_* is the message.
// - arp and drop: nothing of use. An ARP packet is not checked yet; ip/arp.hpp reads it.
Parsed parse(const Frame& frame, const ParseOptions& options, Segment& out);

// The same answer as parse(), without the fast path.
Parsed parse_step_by_step(const Frame& frame, const ParseOptions& options, Segment& out);

// Where the source address of a parsed TCP or ICMP packet is; the destination follows it.
inline const std::byte* address_at(const Frame& frame, const Segment& segment) {
  return frame.data + segment.ip_offset +
         (segment.ip6 ? offsetof(Ipv6Header, source) : offsetof(Ipv4Header, source));
}

}  // namespace salut::wire
