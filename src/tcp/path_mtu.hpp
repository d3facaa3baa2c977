// Path MTU discovery (RFC 1191, RFC 8201): a router somewhere takes smaller packets than our link.
//
// What is learned belongs to the connection, which sends smaller segments from then on and what was
// lost again; there is no cache by destination, so that a lie, which must quote a sequence in
// flight to be heard, harms one connection. Nothing is ever raised again: a longer connection than
// the path's change does without the larger segments.
//
// Where the errors themselves are lost, segments that vanish say it: a full one that timed out
// three times in a row may be too large (RFC 2923 §2.1). It is sent again with 1,280 bytes per
// packet, what tunnels leave; two more timeouts, and it was no black hole but an outage.
//
// Floors, against lies that would drown the path in headers: 576 bytes of IPv4 (a narrower path
// does not exist any more; RFC 791 would allow 68), 1,280 of IPv6, which every link carries.
#pragma once

#include "tcp/context.hpp"

namespace salut::tcp {

// What an error means: its MTU or, from a router that says none, the next of RFC 1191's plateaus
// below the length of the packet that was too big.
std::uint32_t path_mtu_of(std::uint32_t said, std::uint16_t packet_length);

// The path takes packets of `mtu` bytes: lowers Tcb::mss and sends again from SND.UNA what is in
// flight. Nothing happens if segments are that small already.
void narrow_path(Context& c, std::uint32_t index, std::uint32_t mtu);

// The retransmission timer fired, after Tcb::retries retransmissions. REQUIRES: Flag::data_ready.
void suspect_black_hole(Context& c, std::uint32_t index);

}  // namespace salut::tcp
