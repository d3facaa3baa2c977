// What a plan is drawn from: numbers of a seed, and what the seeded worlds draw alike.
#pragma once

#include <array>
#include <cstdint>

#include "io/sim/world.hpp"

namespace salut::sim {

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed * 0x9e3779b97f4a7c15 + 0x632be59bd9b4e019) {}
  // 0..n-1
  std::uint32_t below(std::uint64_t n) { return static_cast<std::uint32_t>(random_() % n); }
  bool one_in(unsigned n) { return below(n) == 0; }
  template <typename T, std::size_t n>
  T of(const std::array<T, n>& values) {
    return values[below(n)];
  }
  Duration up_to(Duration most) {
    return Duration{
        static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(most.count()))};
  }

 private:
  Random random_;
};

// The options of a stack that a peer sees, and how it sends.
void draw_options(Draw& draw, StackConfig& config);

}  // namespace salut::sim
