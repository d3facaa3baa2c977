// How many challenge ACKs a core sends per second, RFC 5961 §7: a fixed number shared by all
// connections could be counted by an attacker through a connection of his own (CVE-2016-5696), so
// the budget of each second is drawn anew.
#pragma once

#include <cstdint>

#include "base/tick.hpp"

namespace salut::tcp {

class ChallengeLimit {
 public:
  explicit ChallengeLimit(std::uint64_t seed) : random_(seed | 1) {}

  bool allow(Tick now) {
    constexpr unsigned ticks_per_second_shift = 10;  // 1.07 s
    const std::uint32_t second = now.value >> ticks_per_second_shift;
    if (second != second_ || !started_) {
      started_ = true;
      second_ = second;
      random_ ^= random_ << 13, random_ ^= random_ >> 7, random_ ^= random_ << 17;
      left_ = 500 + static_cast<std::uint32_t>(random_ >> 32) % 1000;
    }
    if (left_ == 0) return false;
    --left_;
    return true;
  }

 private:
  std::uint64_t random_;
  std::uint32_t second_ = 0;
  std::uint32_t left_ = 0;
  bool started_ = false;
};

}  // namespace salut::tcp
