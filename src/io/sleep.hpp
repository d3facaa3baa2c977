// Sleeps that end when they should, however many signals come meanwhile.
//
// std::this_thread::sleep_for() starts again with what was left after each signal, and the kernel
// adds its slack (50 us) each time: with 20,000 signals a second, as DPDK's TAP driver sends them
// (io/device_signals.hpp), it never ends. An absolute time does not move.
#pragma once

#include <time.h>

#include <cerrno>
#include <chrono>

namespace salut::io {

inline void sleep_until(std::chrono::steady_clock::time_point until) {
  using std::chrono::nanoseconds;
  const nanoseconds since = until.time_since_epoch();  // of CLOCK_MONOTONIC
  const auto whole = std::chrono::floor<std::chrono::seconds>(since);
  timespec at = {};
  at.tv_sec = static_cast<time_t>(whole.count());
  at.tv_nsec = static_cast<long>(nanoseconds(since - whole).count());
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
  }
}

inline void sleep_for(std::chrono::nanoseconds duration) {
  sleep_until(std::chrono::steady_clock::now() + duration);
}

}  // namespace salut::io
