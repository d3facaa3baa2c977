// What was lost, and what is done about it: fast retransmission and recovery with SACK (RFC 6675,
// 8985) and without (RFC 5681, 6582), the timeout (RFC 6298, 5682), how cwnd comes down meanwhile
// (RFC 6937), and the undoing of all that if nothing was lost after all.
//
// With SACK, RACK alone decides (rack.hpp). Its reordering window is nothing once three segments
// are SACKed and no reordering was ever seen, which is RFC 6675's rule. Without SACK, the third
// duplicate ACK and each partial one do. Either way what is lost is marked in the scoreboard, sets
// Flag::rewound, and send_data() sends it again before anything new.
//
// Limited transmit (RFC 3042) needs no code of its own: what an ACK says has left the network is
// not in pipe() any more, so that cwnd has room for a new segment.
#pragma once

#include "tcp/context.hpp"
#include "tcp/recovery.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

// What an ACK acknowledged for the first time.
struct AckedBytes {
  std::uint32_t data = 0;      // of the send buffer
  std::uint32_t sequence = 0;  // with the FIN
  bool duplicate = false;      // RFC 5681 §2
};

// The connection's Recovery; takes one if it has none. There are as many as TCBs.
Recovery& take_recovery(Context& c, const Tcb& t, Stream& stream);
void release_recovery(Context& c, Stream& stream);
// The scoreboard, begun with what is in flight if that was one plain range. REQUIRES: a flight.
Scoreboard& take_scoreboard(Context& c, const Tcb& t, Stream& stream);

// Bytes that are in the network, RFC 6675's pipe.
std::uint32_t pipe(const Context& c, const Tcb& t);

// An ACK of a connection that has a Recovery or needs one now.
void recover_on_ack(Context& c, std::uint32_t index, const wire::Segment& segment,
                    const Frame& frame, const AckedBytes& acked);
// The retransmission timer fired with data in flight: all of it counts as lost.
void recover_on_timeout(Context& c, std::uint32_t index);
// RACK's reordering timer fired: what was overdue is lost.
void recover_on_overdue(Context& c, std::uint32_t index);
// All in flight counts as lost though the path is not to blame: the window was shut.
void lose_flight(Context& c, Tcb& t);
// Bytes of the flight were lost and found at once: cwnd comes down, nothing is sent again.
void reduce(Context& c, const Tcb& t, Stream& stream);

// Something is lost and may be sent again now (F-RTO may want new data to go first).
void note_lost(Context& c, Tcb& t);

}  // namespace salut::tcp
