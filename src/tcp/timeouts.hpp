// What happens when a timer fires: retransmission, persist, the limit of FIN_WAIT_2, 2MSL.
//
// A TCB has one deadline, and its state says what it was for. The wheel's entry may be early (the
// deadline was pushed on) or stale; both are seen here and cost one look.
#pragma once

#include "tcp/context.hpp"

namespace salut::tcp {

// Runs the wheel and the TIME_WAIT arena up to c.clock.tick, at most timer_budget entries of each.
void run_timers(Context& c);

}  // namespace salut::tcp
