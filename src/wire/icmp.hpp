// ICMP: the echo that a host must answer (RFC 1122 §3.2.2.6).
#pragma once

#include "stack/device.hpp"

namespace salut::wire {

// Turns an echo request round where it lies: MACs and addresses swapped, TTL 64, padding cut off.
// The ICMP checksum is adjusted and not made anew, so that data which was damaged on its way here
// arrives back with a checksum that says so. False, with the frame untouched, for anything else;
// any bytes are safe. Requests with IP options are not answered: a source route would have to be
// reversed, and nobody needs one.
//
// The caller has checked that the destination is one of its addresses: answers to a broadcast are
// how smurf attacks worked.
bool make_echo_reply(Frame& frame);

}  // namespace salut::wire
