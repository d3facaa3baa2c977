// ICMP and ICMPv6: the echo that a host must answer (RFC 1122 §3.2.2.6, RFC 4443 §4.2), and the
// errors that come back about what we sent.
//
// No errors are sent: "port unreachable" is for UDP, where TCP sends a RST, and the other errors
// are for routers.
#pragma once

#include <cstdint>

#include "base/address.hpp"
#include "salut/event.hpp"
#include "salut/frame.hpp"
#include "wire/segment.hpp"

namespace salut::ip {

// Turns an echo request into its reply, in place: it swaps MACs and addresses, sets TTL 64 and cuts
// padding off. It updates the ICMP checksum and does not compute a new one, so that data which was
// damaged on its way here goes back with a checksum that is still wrong. False, with the frame
// untouched, for any other frame; any bytes are safe. Requests with IP options or extension headers
// are not answered: a source route would have to be reversed, and nobody needs one.
//
// REQUIRES: the destination is one of our addresses. Smurf attacks lived on answers to a broadcast.
bool make_echo_reply(Frame& frame);

// What a router or the peer's host reports about a TCP segment that we sent.
struct IcmpError {
  enum class What : std::uint8_t {
    soft,     // may go away: network or host unreachable now, TTL exceeded (RFC 1122 §4.2.3.9)
    hard,     // will not go away: no such protocol or port, or administratively prohibited
    too_big,  // fragmentation needed and DF set, packet too big
  };
  What what = What::soft;
  IcmpType type;
  bool ip6 = false;
  std::uint32_t mtu = 0;            // of the next hop, if too_big; 0: a router older than RFC 1191
  std::uint16_t quoted_length = 0;  // total length of our packet, as the quoted header says
  // The ends of the quoted packet, the sender as local. For IPv6 the addresses are folded, and
  // `whole` has them.
  Key key;
  AddressPair whole;
  std::uint32_t seq = 0;
};

// False unless the packet is an error about a TCP segment and quotes its ports and sequence number.
// `icmp`: as parse() left it. The error may be forged: anybody can send one.
bool parse_icmp_error(const Frame& frame, const wire::Segment& icmp, const AddressFold& fold,
                      IcmpError& out);

}  // namespace salut::ip
