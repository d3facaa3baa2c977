// Ticks: the grain of every timer, 2^20 ns (1.048576 ms). A power of two, so that a shift turns an
// Instant into a tick. 32 bits wrap every 52 days; comparison is modular, so that the wrap is
// harmless for deadlines less than 26 days apart.
#pragma once

#include <compare>
#include <cstdint>

#include "salut/time.hpp"

namespace salut {

inline constexpr unsigned tick_shift = 20;
inline constexpr Duration tick_length{std::int64_t{1} << tick_shift};

struct Tick {
  std::uint32_t value = 0;

  friend constexpr bool operator==(Tick, Tick) = default;
  friend constexpr Tick operator+(Tick t, std::uint32_t n) { return Tick{t.value + n}; }
  // Signed distance from `b` to `a`.
  friend constexpr std::int32_t operator-(Tick a, Tick b) {
    return static_cast<std::int32_t>(a.value - b.value);
  }
  friend constexpr bool operator<(Tick a, Tick b) { return a - b < 0; }
  friend constexpr bool operator<=(Tick a, Tick b) { return a - b <= 0; }
  friend constexpr bool operator>(Tick a, Tick b) { return a - b > 0; }
  friend constexpr bool operator>=(Tick a, Tick b) { return a - b >= 0; }
};

// The tick that has begun at `now`: what advance() is given.
constexpr Tick tick_of(Instant now) {
  return Tick{static_cast<std::uint32_t>(
      static_cast<std::uint64_t>(now.time_since_epoch().count()) >> tick_shift)};
}

// The first tick that begins no earlier than `now + after`: a timer never fires early.
constexpr Tick tick_after(Instant now, Duration after) {
  const auto at = static_cast<std::uint64_t>((now + after).time_since_epoch().count());
  const auto length = static_cast<std::uint64_t>(tick_length.count());
  return Tick{static_cast<std::uint32_t>((at + length - 1) >> tick_shift)};
}

}  // namespace salut
