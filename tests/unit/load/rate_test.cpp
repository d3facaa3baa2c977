#include "load/rate.hpp"

#include <gtest/gtest.h>

#include <random>

#include "load/max_search.hpp"

namespace salut::load {
namespace {

constexpr double hz = 1'996'249'000;  // a real TSC's
constexpr auto hz_ticks = static_cast<std::uint64_t>(hz);

// Turns of any length: what was opened by the end of each second is exactly the rate's.
TEST(RateSchedule, whole_seconds_hold_exactly_their_opens) {
  for (const std::uint64_t rate : {1u, 3u, 7u, 999u, 100'000u, 333'333u, 2'999'999u}) {
    std::mt19937_64 random(rate);
    const std::uint64_t start = random() >> 8;
    const RateSchedule schedule(start, static_cast<double>(rate), hz);
    std::uint64_t opened = 0;
    std::uint64_t now = start;
    for (std::uint64_t second = 1; second <= 20; ++second) {
      const std::uint64_t end = start + second * hz_ticks;
      for (now += 1 + random() % 5'000'000; now < end; now += 1 + random() % 5'000'000) {
        const std::uint64_t due = schedule.due(now);
        ASSERT_GE(due, opened);
        opened = due;
      }
      now = end - 1;
      opened = schedule.due(now);
      ASSERT_EQ(opened, second * rate) << "rate " << rate;
    }
  }
}

TEST(RateSchedule, each_open_is_due_at_its_own_tick) {
  const RateSchedule schedule(1'000, 3, 300);  // every 100 ticks
  EXPECT_EQ(schedule.due(999), 0u);
  EXPECT_EQ(schedule.due(1'000), 1u);
  EXPECT_EQ(schedule.due(1'099), 1u);
  EXPECT_EQ(schedule.due(1'100), 2u);
  EXPECT_EQ(schedule.due(1'200), 3u);
}

TEST(RateSchedule, at_is_the_first_tick_of_its_open) {
  const RateSchedule schedule(1'000, 750'000, 2.6e9);
  for (std::uint64_t k = 0; k < 100'000; k += 7) {
    EXPECT_GT(schedule.due(schedule.at(k)), k);
    EXPECT_LE(schedule.due(schedule.at(k) - 1), k);
  }
}

TEST(RateSchedule, fractions_of_an_open_add_up) {
  const RateSchedule schedule(0, 0.5, hz);
  EXPECT_EQ(schedule.due(1), 1u);
  EXPECT_EQ(schedule.due(2 * hz_ticks - 1), 1u);
  EXPECT_EQ(schedule.due(2 * hz_ticks), 2u);
  EXPECT_EQ(schedule.due(3'600 * hz_ticks - 1), 1'800u);
}

TEST(RateSchedule, a_week_at_ten_million_does_not_overflow) {
  const RateSchedule schedule(0, 1e7, hz);
  EXPECT_EQ(schedule.due(604'800 * hz_ticks - 1), 6'048'000'000'000u);
}

TEST(RateSchedule, of_nothing_is_nothing) { EXPECT_EQ(RateSchedule{}.due(~std::uint64_t{0}), 0u); }

// The search against a server that holds up to a limit.
double found(double limit, int& windows) {
  MaxSearch search;
  for (windows = 0; !search.done() && windows < 100; ++windows) {
    search.result(search.rate() <= limit);
  }
  return search.best();
}

TEST(MaxSearch, finds_the_limit_from_either_side) {
  for (const double limit : {2.0, 37.0, 9'999.0, 10'000.0, 10'001.0, 123'456.0, 4e6}) {
    int windows = 0;
    const double best = found(limit, windows);
    EXPECT_LE(best, limit);
    EXPECT_GE(best, limit * 0.975) << limit;
    EXPECT_LT(windows, 50);
  }
}

TEST(MaxSearch, gives_up_when_nothing_holds) {
  int windows = 0;
  EXPECT_EQ(found(0, windows), 0);
  EXPECT_LT(windows, 50);
}

TEST(MaxSearch, one_hiccup_is_forgiven) {
  MaxSearch search;
  search.result(false);
  EXPECT_EQ(search.rate(), 10'000);
  search.result(true);
  EXPECT_EQ(search.rate(), 20'000);
}

}  // namespace
}  // namespace salut::load
