#include "host/clock.hpp"

#include <gtest/gtest.h>

namespace salut {
namespace {

std::int64_t ns(Instant instant) { return instant.time_since_epoch().count(); }

TEST(Clock, origin_is_zero) {
  const Clock clock(2'000'000'000, 12'345);
  EXPECT_EQ(ns(clock.at(12'345)), 0);
}

TEST(Clock, second_is_a_second_at_any_rate) {
  for (const std::uint64_t hz :
       {1'000'000ull, 999'999'999ull, 1'000'000'000ull, 2'100'000'000ull, 2'596'148'000ull}) {
    const Clock clock(hz, 7);
    EXPECT_NEAR(static_cast<double>(ns(clock.at(7 + hz))), 1e9, 1.0) << hz;
  }
}

TEST(Clock, ten_years_neither_overflow_nor_drift) {
  const std::uint64_t hz = 3'700'000'000;
  const std::uint64_t seconds = 10ull * 365 * 86'400;
  const Clock clock(hz, 0);
  EXPECT_NEAR(static_cast<double>(ns(clock.at(hz * seconds))), static_cast<double>(seconds) * 1e9,
              64.0);  // a double's own grain up there
}

TEST(Clock, never_runs_backwards) {
  const Clock clock(2'600'000'000, 0);
  Instant last = clock.at(0);
  for (std::uint64_t tsc = 1; tsc < 10'000; ++tsc) {
    const Instant now = clock.at(tsc);
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(TscRate, between_two_samples) {
  EXPECT_EQ(tsc_rate({1'000, 0}, {1'000 + 259'614'800, 100'000'000}, 2'600'000'000),
            2'596'148'000u);
}

TEST(TscRate, samples_too_close_or_absurd_are_not_believed) {
  EXPECT_EQ(tsc_rate({0, 0}, {2'596, 1'000}, 2'600'000'000), 2'600'000'000u);
  EXPECT_EQ(tsc_rate({0, 0}, {100'000'000, 100'000'000}, 2'600'000'000), 2'600'000'000u);
}

TEST(TscSample, both_clocks_go_forward) {
  const TscSample begin = TscSample::take();
  const TscSample end = TscSample::take();
  EXPECT_GT(end.tsc, begin.tsc);
  EXPECT_GT(end.ns, begin.ns);
}

}  // namespace
}  // namespace salut
