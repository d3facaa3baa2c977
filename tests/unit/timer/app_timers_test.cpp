// The application's timers against a sorted list of the standard library, and at their edges.
#include "timer/app_timers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <vector>

namespace salut::timer {
namespace {

using namespace std::chrono_literals;
constexpr Duration tick = tick_length;
constexpr std::uint32_t connections = 16;  // ids of the wheel before ours
constexpr std::uint32_t tag = 5u << 26;

class AppTimersTest : public testing::Test {
 protected:
  void make(std::uint32_t capacity, Instant start = Instant{1s}) {
    now_ = start;
    wheel_.emplace(memory_, connections + capacity, tick_of(start));
    timers_.emplace(memory_, capacity, connections, tag);
  }
  tl::expected<TimerId, Errc> set(Duration after, std::uint64_t user = 0) {
    return timers_->set(*wheel_, now_, after, user);
  }
  // What fires within the next `by`, up to a turn's budget.
  std::vector<std::uint64_t> advance(Duration by, unsigned budget = 1'024) {
    now_ += by;
    std::vector<std::uint64_t> fired;
    wheel_->advance(
        tick_of(now_), budget,
        [&](std::span<const Entry> batch) {
          for (const Entry& entry : batch) {
            ASSERT_TRUE(timers_->owns(entry.id));
            if (const auto user = timers_->fire(*wheel_, entry, now_)) fired.push_back(*user);
          }
        },
        [&](const Entry& entry) { return timers_->live(entry); });
    return fired;
  }

  using Fired = std::vector<std::uint64_t>;
  HeapMemory memory_;
  Instant now_;
  std::optional<Wheel> wheel_;
  std::optional<AppTimers> timers_;
};

TEST_F(AppTimersTest, fires_once_never_early_and_less_than_a_tick_late) {
  make(16, Instant{1s + 300us});
  const auto id = set(10ms, 7);
  ASSERT_TRUE(id);
  EXPECT_EQ(advance(10ms - 1ns), Fired{});
  EXPECT_EQ(advance(tick + 1ns), Fired{7});
  EXPECT_EQ(timers_->cancel(*id), Errc::not_found);
  EXPECT_EQ(advance(1h), Fired{});
  EXPECT_EQ(timers_->in_use(), 0u);
}

TEST_F(AppTimersTest, of_no_time_is_due_in_the_next_turn_though_the_tick_has_begun) {
  make(16, Instant{1s + 300us});
  ASSERT_TRUE(set(Duration{0}, 7));
  EXPECT_EQ(advance(Duration{0}), Fired{7});
}

TEST_F(AppTimersTest, of_less_than_no_time_is_refused) {
  make(16);
  EXPECT_EQ(set(-1ns).error(), Errc::invalid_argument);
  EXPECT_EQ(timers_->in_use(), 0u);
}

TEST_F(AppTimersTest, longer_than_the_wheel_reaches_and_longer_than_the_clock) {
  make(16);
  ASSERT_TRUE(set(60 * 24h, 60));
  ASSERT_TRUE(set(Duration::max(), 1));
  Fired fired;
  for (int day = 0; day < 60; ++day) {
    EXPECT_EQ(fired, Fired{}) << day;
    for (const std::uint64_t user : advance(24h)) fired.push_back(user);
  }
  for (const std::uint64_t user : advance(tick)) fired.push_back(user);
  EXPECT_EQ(fired, Fired{60});
  EXPECT_EQ(timers_->in_use(), 1u);
}

TEST_F(AppTimersTest, exhausted_pool_is_overload_until_one_is_cancelled_or_fires) {
  make(16);
  std::vector<TimerId> ids;
  for (std::uint64_t i = 0; i < 16; ++i) ids.push_back(*set(std::chrono::seconds(i + 1), i));
  EXPECT_EQ(set(1s).error(), Errc::overload);
  EXPECT_EQ(timers_->cancel(ids[3]), Errc::ok);
  ASSERT_TRUE(set(1s, 99));
  EXPECT_EQ(set(1s).error(), Errc::overload);
  Fired fired = advance(1s + tick);
  std::ranges::sort(fired);
  EXPECT_EQ(fired, (Fired{0, 99}));
  EXPECT_TRUE(set(1s));
}

TEST_F(AppTimersTest, cancelled_never_fires_and_its_handle_is_nobody_elses) {
  make(16);
  const TimerId first = *set(10ms, 1);
  EXPECT_EQ(timers_->cancel(first), Errc::ok);
  EXPECT_EQ(timers_->cancel(first), Errc::not_found);
  const TimerId second = *set(1s, 2);  // the same slot
  EXPECT_EQ(second.slot(), first.slot());
  EXPECT_EQ(timers_->cancel(first), Errc::not_found);
  EXPECT_EQ(advance(100ms), Fired{});  // where the first one's entry is
  EXPECT_EQ(advance(900ms + tick), Fired{2});
}

TEST_F(AppTimersTest, handles_that_nobody_was_given_name_nothing) {
  make(16);
  const TimerId id = *set(1s, 1);
  for (const TimerId wrong :
       {TimerId{}, TimerId(id.slot() ^ 1u << 26, id.generation()), TimerId(id.slot() + 1, 0),
        TimerId(id.slot() + 1, 2), TimerId(id.slot() + 16, 1), TimerId(id.slot(), 3)}) {
    EXPECT_EQ(timers_->cancel(wrong), Errc::not_found);
  }
  EXPECT_EQ(timers_->in_use(), 1u);
}

// Each earlier deadline leaves a stale entry on the wheel. It has a bound, and set() says so rather
// than to be late; a turn later the stale ones are swept away.
TEST_F(AppTimersTest, deadlines_ever_earlier_are_refused_before_they_are_late) {
  make(16);
  unsigned taken = 0;
  for (Duration after = 10h; after > 1s; after -= 2s, ++taken) {
    const auto id = set(after, 1);
    if (!id) break;
    EXPECT_EQ(timers_->cancel(*id), Errc::ok);
  }
  EXPECT_GT(taken, 1'000u);
  EXPECT_LT(taken, 2'000u);
  EXPECT_EQ(set(1s).error(), Errc::overload);
  EXPECT_EQ(timers_->in_use(), 0u);
  EXPECT_EQ(advance(tick, 1 << 20), Fired{});
  ASSERT_TRUE(set(1s, 2));
  EXPECT_EQ(advance(1s + tick), Fired{2});
}

TEST_F(AppTimersTest, random_against_a_sorted_list) {
  constexpr std::uint32_t capacity = 200;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    make(capacity, Instant{Duration(static_cast<std::int64_t>(random() >> 3))});
    struct Set {
      Instant due;
      TimerId id;
    };
    std::map<std::uint64_t, Set> running;  // by user
    std::uint64_t next_user = 1;
    for (int step = 0; step < 3'000; ++step) {
      switch (random() % 4) {
        case 0:
        case 1: {
          const auto after = Duration(static_cast<std::int64_t>(random() % 10'000'000'000));
          const auto id = set(after, next_user);
          ASSERT_EQ(id.has_value(), running.size() < capacity);
          if (id) running[next_user++] = {now_ + after, *id};
          break;
        }
        case 2: {
          if (running.empty()) break;
          auto which = running.begin();
          std::advance(which, random() % running.size());
          ASSERT_EQ(timers_->cancel(which->second.id), Errc::ok);
          running.erase(which);
          break;
        }
        default: {
          const auto by = Duration(static_cast<std::int64_t>(random() % 200'000'000));
          for (const std::uint64_t user : advance(by, 1 << 20)) {
            ASSERT_TRUE(running.contains(user)) << "twice, or cancelled";
            ASSERT_LE(running[user].due, now_) << "early";
            running.erase(user);
          }
          for (const auto& [user, timer] : running) ASSERT_LT(now_, timer.due + tick) << "late";
        }
      }
      ASSERT_EQ(timers_->in_use(), running.size());
    }
  }
}

}  // namespace
}  // namespace salut::timer
