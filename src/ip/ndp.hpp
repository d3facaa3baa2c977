// Neighbour discovery: the two messages of RFC 4861 that take the place of ARP.
//
// Only solicitations and advertisements of neighbours are read. Routers are configured and not
// discovered, and addresses are not tested for duplicates before they are used (RFC 4862 §5.4); a
// station that tests one of ours is answered.
#pragma once

#include <cstdint>

#include "base/address.hpp"
#include "salut/frame.hpp"
#include "wire/headers.hpp"
#include "wire/segment.hpp"

namespace salut::ip {

struct Ndp {
  bool advertisement = false;
  bool solicited = false;  // of an advertisement: it answers a solicitation
  bool override = false;   // of an advertisement: it may replace an address that is known
  bool has_mac = false;    // the option with the sender's (target's) link-layer address is there
  Mac mac;
  Address source;
  Address destination;
  Address target;
};

inline constexpr std::uint16_t ndp_frame_size =
    wire::ethernet_size + wire::ipv6_size + sizeof(wire::NdpHeader) + 8;

// ff02::1:ff and the last three bytes of the address (RFC 4291 §2.7.1): who has it listens there.
Address solicited_node(const Address& address);
// ff02::1, every station on the link.
Address all_nodes();

// Is this ICMPv6 message (as parse() left it) one of neighbour discovery at all?
bool is_ndp(const Frame& frame, const wire::Segment& icmp);

// False, with `out` untouched, unless it passes every check of RFC 4861 §7.1.1 or §7.1.2 and comes
// from one station about one: groups and IPv4 in disguise are refused.
bool parse_ndp(const Frame& frame, const wire::Segment& icmp, Ndp& out);

// Overwrites the frame and sets its length. `mac` is the sender's own and always goes along.
// REQUIRES: frame.room >= ndp_frame_size.
void emit_ndp(Frame& frame, const Ndp& ndp, const Mac& ethernet_destination);

}  // namespace salut::ip
