// ICMP and ICMPv6 that came in: echo, neighbour discovery, and errors about our connections.
//
// Anybody can send an error, so that none is believed before it quotes a sequence number that is in
// flight (RFC 5927 §4.1), and none but "too big" changes a connection that has been set up: a host
// that cannot be reached now may be reached in a second, and R2 is the judge of that. A SYN that
// meets a hard error ends with Reason::unreachable (RFC 1122 §4.2.3.9); soft ones are counted
// and reported as Event::icmp_error, which says what they were.
#pragma once

#include "tcp/context.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

// Takes the frame; `icmp` as wire::parse() left it.
void input_icmp(Context& c, const wire::Segment& icmp, Frame& frame);

}  // namespace salut::tcp
