// What the two ends agree on in the handshake, and what each segment then carries: window scale,
// timestamps, SACK, ECN (RFC 7323, 2018, 3168).
//
// An active open offers what the configuration allows, with the connection's flags set; the answer
// clears what it does not take up. A passive one takes the intersection at once. From then on the
// flags are the agreement.
#pragma once

#include <algorithm>

#include "tcp/context.hpp"
#include "wire/options.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

// Active open: everything that is allowed is offered.
void offer_options(const Context& c, Tcb& tcb);

// The peer's SYN or SYN,ACK: flags, scales, TS.Recent; mss becomes what a segment of ours carries.
void agree_options(Context& c, Tcb& tcb, const wire::Segment& syn);

// Of a SYN or SYN,ACK of ours. `mss`: what we can receive.
std::size_t syn_options(Context& c, const Tcb& tcb, std::uint16_t mss, wire::OptionBytes& to);

// Of `most`, what the port allows: the MSS that our SYN offers.
inline std::uint16_t offered_mss(const Context& c, const Tcb& tcb, std::uint16_t most) {
  const std::uint16_t own = tcb.has(Flag::data_ready) ? c.stream(tcb).own_mss : std::uint16_t{0};
  return own != 0 ? std::min(own, most) : most;
}

// Of an ACK alone that tells of gaps: SACK, and timestamps as every segment and an RST has them
// (RFC 7323 §3.2), for which Tcb::mss leaves room. REQUIRES: Flag::gaps.
std::size_t ack_options(Context& c, Tcb& tcb, wire::OptionBytes& to);

}  // namespace salut::tcp
