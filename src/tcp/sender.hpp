// The sending half of a connection: which bytes leave now, what an ACK means to them, and what is
// sent again.
//
// output.cpp decides that a connection may send; everything between the send buffer and the
// segment is here: windows, silly window avoidance, congestion, retransmission. The receiving half
// knows nothing of it.
#pragma once

#include "tcp/context.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

// Sends what the windows let through, the FIN included; true if anything left.
bool send_data(Context& c, std::uint32_t index);

// SND.UNA has moved by `acked` bytes of data (SYN and FIN not counted) to segment.ack.
// REQUIRES: Flag::data_ready.
void on_ack(Context& c, std::uint32_t index, const wire::Segment& segment, const Frame& frame,
            std::uint32_t acked);

// Goes back to SND.UNA and sends from there (the retransmission timer, RFC 6298 (5.4)).
void rewind(Context& c, std::uint32_t index);

// The window opened and the ACK does not cover the probe: the peer had no room for it, and what
// follows would wait behind that byte until the backed-off timer sent it again.
void resend(Context& c, std::uint32_t index);

// The retransmission timer, unless one runs.
void start_timer(Context& c, std::uint32_t index);

}  // namespace salut::tcp
