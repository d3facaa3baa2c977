// The sending half of a connection: which bytes leave now, what an ACK means to them, and what is
// sent again.
//
// output.cpp decides that a connection may send; everything between the send buffer and the
// segment is here and in loss.cpp: windows, Nagle, silly window avoidance, probes, retransmission.
// The receiving half knows nothing of it. A flight that left in one turn and is acknowledged in
// order touches the TCB, the Stream and its blocks; it needs no Recovery.
//
// Three things wait for time: Tcb::timer_at is the retransmission timer, or the persist timer if
// nothing is in flight; Stream::probe_at is the tail loss probe or RACK's reordering timer.
#pragma once

#include "tcp/context.hpp"
#include "tcp/loss.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

// Sends what the windows let through, the FIN included; true if anything left.
bool send_data(Context& c, std::uint32_t index);

// Does what send_data() would with what fits one segment while nothing is in flight. False, and
// nothing was done, where that or anything else is not so. REQUIRES: Flag::data_ready, a state that
// may send.
bool send_single(Context& c, std::uint32_t index);

// An ACK in [SND.UNA, SND.NXT] with data in flight or arriving; SND.UNA has already moved.
// REQUIRES: Flag::data_ready.
void on_ack(Context& c, std::uint32_t index, const wire::Segment& segment, const Frame& frame,
            const AckedBytes& acked);

// The first ACK of our SYN: a sample of the round trip, by the timer if the SYN left once (Karn),
// else by the timestamps.
void on_ack_of_syn(Context& c, Tcb& tcb, const wire::Segment& segment);

// write() found no block and nothing is in flight whose ACK would raise `writable`: looks again.
void on_blocked(Context& c, std::uint32_t index);

// The retransmission timer fired with data or FIN in flight (RFC 6298 (5.4) to (5.6)).
void on_timeout(Context& c, std::uint32_t index);
// It fired with nothing in flight: what waits for the window asks again, or leaves in part.
void on_persist(Context& c, std::uint32_t index);
// Stream::probe_at has come.
void on_probe(Context& c, std::uint32_t index);

// The window opened and the ACK does not cover the probe: the peer had no room for it, and what
// follows would wait behind that byte until the backed-off timer sent it again.
void resend(Context& c, std::uint32_t index);

}  // namespace salut::tcp
