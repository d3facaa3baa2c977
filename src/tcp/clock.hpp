// The time of this turn, in each of the units that the protocol counts in.
#pragma once

#include <cstdint>

#include "base/tick.hpp"

namespace salut::tcp {

struct Clock {
  explicit Clock(Instant start) : started(start) { set(start); }

  Instant now;
  Instant started;           // of the stack
  Tick tick;                 // of `now`
  std::uint32_t now_ms = 0;  // the clock of our timestamps
  std::uint32_t epoch = 0;   // 2^30 ns (1.07 s) of `now`: ages that ticks would wrap around in

  void set(Instant at) {
    now = at;
    tick = tick_of(at);
    now_ms = static_cast<std::uint32_t>(at.time_since_epoch().count() / 1'000'000);
    epoch = static_cast<std::uint32_t>(at.time_since_epoch().count() >> 30);
  }
};

}  // namespace salut::tcp
