// Raises an event in a state: looks up what follows. The tests are built with SALUT_COUNT_EVENTS,
// which counts each cell that is raised, so that no row of the table stays untested.
#pragma once

#include "tcp/transitions.hpp"

#ifdef SALUT_COUNT_EVENTS
#include <atomic>
#endif

namespace salut::tcp {

#ifdef SALUT_COUNT_EVENTS
inline std::array<std::array<std::atomic<std::uint64_t>, event_count>, state_count> events_raised;
static inline void count_raised(State from, StateEvent event) {
  ++events_raised[static_cast<std::size_t>(from)][static_cast<std::size_t>(event)];
}
#else
static inline void count_raised(State, StateEvent) {}
#endif

// `static`: a program may link files built with and without the counts.
static inline const Cell& raise(State from, StateEvent event) {
  count_raised(from, event);
  return step(from, event);
}

// The events of the fast path's bits.
static inline FastCell raise_fast(State from, unsigned bits) {
#ifdef SALUT_COUNT_EVENTS
  compose(from, bits, count_raised);
#endif
  return fast_step(from, bits);
}

}  // namespace salut::tcp
