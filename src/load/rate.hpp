// When opens are due at a fixed rate. It is computed from the start, never from the last turn.
//
// Open k (from 0) is due at start + k / rate, so that any whole number of seconds has exactly its
// number of opens, however long the turns of the loop were: rounding errors do not add up.
#pragma once

#include <cmath>
#include <cstdint>

namespace salut::load {

class RateSchedule {
  __extension__ using Wide = unsigned __int128;

 public:
  RateSchedule() = default;
  // `start` in ticks, `hz` ticks per second, `per_second` opens per second.
  RateSchedule(std::uint64_t start, double per_second, double hz)
      : start_(start),
        micro_rate_(static_cast<std::uint64_t>(std::llround(per_second * 1e6))),
        micro_hz_(static_cast<Wide>(std::llround(hz)) * 1'000'000) {}

  // How many opens were due up to and including `now`.
  std::uint64_t due(std::uint64_t now) const {
    if (micro_rate_ == 0 || now < start_) return 0;
    const auto product = static_cast<Wide>(now - start_) * micro_rate_;
    return static_cast<std::uint64_t>(product / micro_hz_) + 1;
  }

  // When open k (from 0) is due: the first tick at which due() is more than k. REQUIRES: a rate.
  std::uint64_t at(std::uint64_t k) const {
    const Wide ticks = (static_cast<Wide>(k) * micro_hz_ + micro_rate_ - 1) / micro_rate_;
    return start_ + static_cast<std::uint64_t>(ticks);
  }

 private:
  std::uint64_t start_ = 0;
  std::uint64_t micro_rate_ = 0;
  Wide micro_hz_ = 1;
};

}  // namespace salut::load
