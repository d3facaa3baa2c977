// The output queue: which connections send in this turn, and what.
//
// A transition marks the connection (ack_pending, emit_syn, …) and puts it in the output queue.
// flush_outputs() works the queue off at both ends of a turn, so that an ACK rides on the data or
// FIN that the application produced in between. Some segments do not wait for that: the SYN,ACK of
// a listener's child (if there is room on the way out), on which nothing can ride; resets; the ACK
// before TIME_WAIT, whose TCB is gone afterwards; and ACKs in the middle of a burst
// (is_quick_ack_due(), and one for each segment beyond a gap).
#pragma once

#include "tcp/context.hpp"

namespace salut::tcp {

// Works off the output queue, as far as a turn's budget and the room on the way out go. The budget
// is output_budget, or output_budget_behind if `more_to_receive`: a port had a full burst, so that
// there is more behind it. True: some had to wait for either.
bool flush_outputs(Context& c, bool more_to_receive);

// Sends all that one connection may send now. May release it (a reset that was due).
void output(Context& c, std::uint32_t index);

// As a rule a burst gets one ACK for all of it. But a peer in slow start, or in recovery, depends
// on our ACKs and may have no more than a window in flight: if that one ACK were lost, nothing
// would move before its timer fires. So it gets an ACK for each two segments (RFC 9293 §3.8.6.3).
bool is_quick_ack_due(const Context& c, const Tcb& tcb);

}  // namespace salut::tcp
