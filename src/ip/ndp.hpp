// Neighbour discovery: the two messages of RFC 4861 that take the place of ARP.
//
// Only neighbour solicitations and advertisements are read. Routers are configured, not discovered.
// We do not test our addresses for duplicates before we use them (RFC 4862 §5.4), but answer a
// station that tests one of ours.
#pragma once

#include <cstdint>

#include "base/address.hpp"
#include "salut/frame.hpp"
#include "wire/headers.hpp"
#include "wire/segment.hpp"

namespace salut::ip {

struct Ndp {
  bool advertisement = false;
  bool solicited = false;  // advertisement only: it answers a solicitation
  bool override = false;   // advertisement only: it may replace a MAC that is known
  bool has_mac = false;    // the option with the sender's (target's) link-layer address is there
  Mac mac;
  Address source;
  Address destination;
  Address target;
};

inline constexpr std::uint16_t ndp_frame_size =
    wire::ethernet_size + wire::ipv6_size + sizeof(wire::NdpHeader) + 8;

// ff02::1:ff and the last three bytes of the address (RFC 4291 §2.7.1): the group that the station
// with this address listens to.
Address solicited_node(const Address& address);
// ff02::1, every station on the link.
Address all_nodes();

// Is this ICMPv6 message (as parse() left it) one of neighbour discovery at all?
bool is_ndp(const Frame& frame, const wire::Segment& icmp);

// False, with `out` untouched, unless the message passes every check of RFC 4861 §7.1.1 or §7.1.2,
// its MAC is unicast, and its target is neither a group nor a mapped IPv4 address.
bool parse_ndp(const Frame& frame, const wire::Segment& icmp, Ndp& out);

// Overwrites the frame and sets its length. ndp.mac is the sender's own and is always included.
// REQUIRES: frame.room >= ndp_frame_size.
void emit_ndp(Frame& frame, const Ndp& ndp, const Mac& ethernet_destination);

}  // namespace salut::ip
