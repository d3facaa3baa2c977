// ICMP and ICMPv6: the echo that a host must answer (RFC 1122 §3.2.2.6, RFC 4443 §4.2), and the
// errors that come back about what we sent.
//
// No errors are sent: port unreachable is UDP's, TCP has RST for what it means, and a host that
// forwards nothing has no others to send.
#pragma once

#include <cstdint>

#include "base/address.hpp"
#include "salut/event.hpp"
#include "salut/frame.hpp"
#include "wire/segment.hpp"

namespace salut::ip {

// Turns an echo request round where it lies: MACs and addresses swapped, TTL 64, padding cut off.
// The ICMP checksum is adjusted and not made anew, so that data which was damaged on its way here
// arrives back with a checksum that says so. False, with the frame untouched, for anything else;
// any bytes are safe. Requests with IP options or extension headers are not answered: a source
// route would have to be reversed, and nobody needs one.
//
// The caller has checked that the destination is one of its addresses: answers to a broadcast are
// how smurf attacks worked.
bool make_echo_reply(Frame& frame);

// What a router or the peer's host says of a TCP segment of ours.
struct IcmpError {
  enum class What : std::uint8_t {
    soft,     // may pass: the network or host cannot be reached now, a TTL ran out (RFC 1122)
    hard,     // will not: no such protocol or port, or it is forbidden to go there
    too_big,  // fragmentation needed and DF set, packet too big
  };
  What what = What::soft;
  IcmpType type;
  bool ip6 = false;
  std::uint32_t mtu = 0;            // of the next hop, if too_big; 0: a router older than RFC 1191
  std::uint16_t quoted_length = 0;  // of our packet, as it says
  // From the quoted packet: source and destination, folded for IPv6 (`whole` has them), the sender
  // as local.
  Key key;
  AddressPair whole;
  std::uint32_t seq = 0;
};

// False for anything that is not an error about a TCP segment, or quotes less than its ports and
// sequence number. `icmp` as parse() left it. Nothing in it is proof: anybody can send one.
bool parse_icmp_error(const Frame& frame, const wire::Segment& icmp, const AddressFold& fold,
                      IcmpError& out);

}  // namespace salut::ip
