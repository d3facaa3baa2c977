#include "load/back_off.hpp"

#include <gtest/gtest.h>

namespace salut::load {
namespace {

constexpr std::uint64_t ms = 1'000'000;

TEST(BackOff, a_slot_rests_twice_as_long_after_each_failure) {
  BackOff back_off(1e9);
  std::uint64_t now = ms;
  std::uint8_t level = 0;
  for (const std::uint64_t rest : {10, 20, 40, 80, 160, 320, 640, 1'280, 1'280, 1'280}) {
    back_off.rest(level, now);
    EXPECT_EQ(back_off.resting(now + rest * ms - 1), 1u);
    now += rest * ms;
    EXPECT_EQ(back_off.resting(now), 0u);
    level = back_off.next_level();
    EXPECT_EQ(back_off.next_level(), 0) << "there was one";
  }
}

TEST(BackOff, slots_wake_in_their_own_time) {
  BackOff back_off(1e9);
  for (std::uint64_t i = 0; i < 1'000; ++i) back_off.rest(0, i * ms / 10);
  EXPECT_EQ(back_off.resting(0), 1'000u);
  std::uint64_t woken = 0;
  for (std::uint64_t t = 0; t <= 120; ++t) {
    const std::uint64_t resting = back_off.resting(t * ms);
    for (; back_off.next_level() != 0; ++woken) {
    }
    EXPECT_EQ(resting + woken, 1'000u);
    if (t < 12 || t > 100) continue;
    EXPECT_NEAR(static_cast<double>(woken), static_cast<double>((t - 10) * 10), 20);
  }
  EXPECT_EQ(woken, 1'000u);
}

}  // namespace
}  // namespace salut::load
