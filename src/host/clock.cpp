#include "host/clock.hpp"

#include <ctime>

namespace salut {

// Of several tries, the one with the least time between its two reads of the TSC: nothing
// interrupted it.
TscSample TscSample::take() {
  TscSample best;
  std::uint64_t best_gap = ~std::uint64_t{0};
  for (int i = 0; i < 16; ++i) {
    timespec now = {};
    const std::uint64_t before = read_tsc();
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    const std::uint64_t gap = read_tsc() - before;
    if (gap >= best_gap) continue;
    best_gap = gap;
    best = {before + gap / 2, now.tv_sec * 1'000'000'000 + now.tv_nsec};
  }
  return best;
}

std::uint64_t tsc_rate(const TscSample& begin, const TscSample& end, std::uint64_t rounded) {
  constexpr std::int64_t enough_ns = 50'000'000;
  constexpr double far_off = 0.01;
  if (end.ns - begin.ns < enough_ns) return rounded;
  const double rate =
      static_cast<double>(end.tsc - begin.tsc) * 1e9 / static_cast<double>(end.ns - begin.ns);
  const double ratio = rate / static_cast<double>(rounded);
  return ratio > 1 - far_off && ratio < 1 + far_off ? static_cast<std::uint64_t>(rate) : rounded;
}

}  // namespace salut
