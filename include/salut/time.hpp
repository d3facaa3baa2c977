// Time is a value that is passed in: nothing in the protocol reads a clock.
//
// Instants count nanoseconds from an origin that the caller chooses (a Runtime takes its start, a
// simulation takes zero). Instants and durations are distinct types, so that nobody mixes them up.
#pragma once

#include <chrono>
#include <cstdint>

namespace salut {

using Duration = std::chrono::nanoseconds;

struct ManualClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<ManualClock, duration>;
  static constexpr bool is_steady = true;
};

using Instant = ManualClock::time_point;

}  // namespace salut
