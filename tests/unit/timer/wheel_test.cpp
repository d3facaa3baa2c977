#include "timer/wheel.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <vector>

namespace salut::timer {
namespace {

using Random = std::mt19937_64;
constexpr unsigned all = 1u << 30;  // a budget that is never spent

// An owner as the engine is one: a word beside each id for the wheel, and the deadline that it
// really wants (0: none), which the wheel does not know. Time counts from the start, in 64 bits.
struct Owner {
  Owner(std::uint32_t ids, Tick start_at)
      : start(start_at), wheel(memory, ids, start_at), at(ids), want(ids) {}

  Tick tick(std::uint64_t time) const { return start + static_cast<std::uint32_t>(time); }

  bool set(std::uint32_t id, std::uint64_t deadline) {
    if (want[id] != 0) wanted.erase({want[id], id});
    want[id] = deadline;
    wanted.insert({deadline, id});
    return wheel.arm(id, at[id], tick(deadline));
  }
  void clear(std::uint32_t id) {
    if (want[id] != 0) wanted.erase({want[id], id});
    want[id] = 0;
  }
  unsigned advance(unsigned budget, bool with_live = true) {
    const auto fire = [&](std::span<const Entry> batch) {
      EXPECT_LE(batch.size(), Wheel::max_batch);
      EXPECT_FALSE(batch.empty());
      for (const Entry& e : batch) fired(e);
    };
    if (!with_live) return wheel.advance(tick(now), budget, fire);
    return wheel.advance(tick(now), budget, fire,
                         [&](const Entry& e) { return at[e.id] == e.deadline.value; });
  }
  void fired(const Entry& e) {
    EXPECT_LE(e.deadline, tick(now)) << "early";
    if (at[e.id] != e.deadline.value) {
      ++stale;
      return;
    }
    at[e.id] = 0;
    if (want[e.id] == 0) return;
    if (want[e.id] <= now) {
      log.push_back(e.id);
      clear(e.id);
    } else {
      EXPECT_TRUE(wheel.arm(e.id, at[e.id], tick(want[e.id])));
    }
  }

  HeapMemory memory;
  Tick start;
  Wheel wheel;
  std::vector<std::uint32_t> at;
  std::vector<std::uint64_t> want;
  std::set<std::pair<std::uint64_t, std::uint32_t>> wanted;
  std::uint64_t now = 0;
  std::uint64_t stale = 0;
  std::vector<std::uint32_t> log;
};

TEST(Wheel, fires_at_its_tick_and_not_before) {
  for (const std::uint64_t after : {1u, 2u, 255u, 256u, 257u, 65'535u, 65'536u, 70'000u, 1u << 24,
                                    (1u << 24) + 1, 1u << 30, 0x7fff'ffffu}) {
    for (const Tick start : {Tick{0}, Tick{1}, Tick{255}, Tick{0x00ff'ffff}, Tick{0xffff'ffff}}) {
      Owner o(4, start);
      o.set(2, after);
      EXPECT_FALSE(o.wheel.idle());
      o.now = after - 1;
      o.advance(all);
      EXPECT_TRUE(o.log.empty()) << after;
      // Tick 0 stands for "none" in `at`: what is due at it fires one later.
      o.now = o.tick(after).value == 0 ? after + 1 : after;
      o.advance(all);
      EXPECT_EQ(o.log, std::vector<std::uint32_t>{2}) << after << " from " << start.value;
      EXPECT_TRUE(o.wheel.idle());
      EXPECT_EQ(o.wheel.next(), std::nullopt);
    }
  }
}

TEST(Wheel, past_deadline_fires_in_the_next_advance) {
  Owner o(4, Tick{1000});
  o.now = 500;
  o.advance(all);
  std::uint32_t& at = o.at[1];
  EXPECT_TRUE(o.wheel.arm(1, at, Tick{3}));
  o.want[1] = 1;
  o.advance(all);
  EXPECT_EQ(o.log, std::vector<std::uint32_t>{1});
}

TEST(Wheel, pushing_later_appends_nothing) {
  Owner o(1, Tick{7});
  for (std::uint64_t deadline = 100; deadline < 10'000; ++deadline) o.set(0, deadline);
  EXPECT_EQ(o.wheel.entries(), 1u);
  for (o.now = 0; o.now < 9'999; ++o.now) o.advance(all);
  EXPECT_TRUE(o.log.empty());
  o.advance(all);
  EXPECT_EQ(o.log.size(), 1u);
}

TEST(Wheel, arming_earlier_leaves_a_stale_entry_that_is_skipped) {
  Owner o(1, Tick{7});
  o.set(0, 1'000);
  o.set(0, 10);
  EXPECT_EQ(o.wheel.entries(), 2u);
  o.now = 10;
  o.advance(all);
  EXPECT_EQ(o.log.size(), 1u);
  o.now = 1'000;
  o.advance(all);
  EXPECT_EQ(o.log.size(), 1u);
  EXPECT_EQ(o.stale, 1u);
  EXPECT_TRUE(o.wheel.idle());
}

// An id that is used again inherits its entry: nothing fires for the new user but what it set.
TEST(Wheel, reused_id_inherits_the_entry) {
  Owner o(1, Tick{0});
  o.set(0, 100);
  o.clear(0);
  o.set(0, 150);
  EXPECT_EQ(o.wheel.entries(), 1u);
  o.now = 149;
  o.advance(all);
  EXPECT_TRUE(o.log.empty());
  o.now = 150;
  o.advance(all);
  EXPECT_EQ(o.log.size(), 1u);
}

TEST(Wheel, budget_bounds_a_turn_and_nothing_is_lost) {
  constexpr std::uint32_t ids = 10'000;
  Owner o(ids, Tick{0xffff'ff00});
  for (std::uint32_t id = 0; id < ids; ++id) o.set(id, 70'000);
  o.now = 70'000;
  unsigned turns = 0;
  while (o.log.size() < ids) {
    const unsigned used = o.advance(100);
    ASSERT_EQ(used, 100u);
    ASSERT_LT(++turns, 1'000u);
  }
  EXPECT_LE(turns, 4 * ids / 100);  // once per level, and once to fire
}

// Hours pass between two calls; what was armed for them fires in order of time.
TEST(Wheel, stall_fires_all_in_order) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    constexpr std::uint32_t ids = 5'000;
    Owner o(ids, Tick{0xffff'8000});
    Random random(seed);
    std::multimap<std::uint64_t, std::uint32_t> oracle;
    for (std::uint32_t id = 0; id < ids; ++id) {
      const std::uint64_t deadline = 1 + random() % 20'000'000;
      o.set(id, deadline);
      oracle.emplace(deadline, id);
    }
    o.now = 20'000'000;
    while (o.advance(64) != 0) {
    }
    ASSERT_EQ(o.log.size(), ids);
    std::map<std::uint32_t, std::uint64_t> deadline_of;
    for (const auto& [deadline, id] : oracle) deadline_of[id] = deadline;
    for (std::size_t i = 1; i < o.log.size(); ++i) {
      ASSERT_LE(deadline_of[o.log[i - 1]], deadline_of[o.log[i]]);
    }
  }
}

// Virtual time leaps from next() to next(): few leaps, none past a deadline.
TEST(Wheel, next_is_a_lower_bound_that_gets_there) {
  for (const std::uint64_t deadline : {1u, 300u, 100'000u, 123'456'789u}) {
    Owner o(1, Tick{0xfff0'0001});
    o.set(0, deadline);
    unsigned leaps = 0;
    while (o.log.empty()) {
      const auto next = o.wheel.next();
      ASSERT_TRUE(next.has_value());
      const std::uint64_t time = next->value - o.start.value;
      ASSERT_LE(static_cast<std::uint32_t>(time), deadline);
      o.now = static_cast<std::uint32_t>(time);
      o.advance(all);
      ASSERT_LT(++leaps, 6u);
    }
    EXPECT_EQ(o.now, deadline);
  }
}

struct Case {
  std::uint64_t seed;
  Tick start;
  unsigned budget;
  std::uint32_t ids;
  bool live;
};
class WheelOracle : public testing::TestWithParam<Case> {};

// Random timers over all scales of time against a sorted set.
TEST_P(WheelOracle, agrees_with_sorted_set) {
  const Case c = GetParam();
  SCOPED_TRACE(testing::Message() << "seed " << c.seed);
  Owner o(c.ids, c.start);
  Random random(c.seed);
  std::vector<std::uint64_t> late(c.ids);  // refused: may fire as late as this
  for (unsigned step = 0; step < 200'000; ++step) {
    const auto id = static_cast<std::uint32_t>(random() % c.ids);
    const std::uint64_t what = random() % 16;
    if (what < 9) {
      const std::uint64_t deadline = o.now + 1 + random() % (1ull << random() % 25);
      const bool armed = o.set(id, deadline);
      ASSERT_TRUE(armed || !c.live);
      late[id] = armed ? deadline : o.now + (o.at[id] - o.tick(o.now).value);
    } else if (what < 11) {
      o.clear(id);
    } else if (what < 15) {
      o.now += random() % (1ull << random() % 12);
    } else if (random() % 200 == 0) {
      o.now += random() % (1ull << 26);
    }
    unsigned used = 0;
    do {
      used = o.advance(c.budget, c.live);
      ASSERT_LE(used, c.budget + 32);
    } while (used >= c.budget);
    for (const auto& [deadline, waiting] : o.wanted) {
      if (deadline > o.now) break;
      const std::uint64_t nudged = o.tick(late[waiting]).value == 0 ? 1 : 0;
      ASSERT_GT(late[waiting] + nudged, o.now) << "step " << step;
    }
    if (const auto next = o.wheel.next(); next && !o.wanted.empty() && c.live) {
      ASSERT_LE(*next, o.tick(o.wanted.begin()->first) + 1);
    }
    ASSERT_TRUE(o.wheel.idle() || *o.wheel.next() > o.tick(o.now)) << "step " << step;
    ASSERT_LE(o.wheel.entries(), c.ids * 5 / 2 + 1024);
  }
  EXPECT_GT(o.log.size(), 1'000u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, WheelOracle,
                         testing::Values(Case{1, Tick{0}, all, 50, true},
                                         Case{2, Tick{0xfff0'0000}, all, 1'000, true},
                                         Case{3, Tick{0xffff'ffff}, 1, 300, true},
                                         Case{4, Tick{0x7fff'ff00}, 3, 20, true},
                                         Case{5, Tick{0x1234'5678}, 64, 1'000, true},
                                         Case{6, Tick{0xff00'0000}, 256, 5'000, true},
                                         Case{7, Tick{0xff00'0000}, 64, 100, false}));

// The attack: every id is armed for a minute and then, again and again, a little earlier. The
// sweep keeps up, so that no arm is refused and memory stays within its bound.
TEST(Wheel, stale_entries_are_swept) {
  constexpr std::uint32_t ids = 2'000;
  Owner o(ids, Tick{5});
  for (unsigned round = 0; round < 200; ++round) {
    const std::uint64_t begin = o.now;
    for (std::uint32_t id = 0; id < ids; ++id) {
      ASSERT_TRUE(o.set(id, begin + 60'000 - (round % 50) * 1'000));
      if (id % 16 == 0) {
        o.advance(256);
        ASSERT_LE(o.wheel.entries(), ids * 3 / 2 + 1024);
      }
    }
    o.now += 7;
  }
  o.now += 100'000;
  while (o.advance(256) != 0) {
  }
  EXPECT_EQ(o.log.size(), ids);
  EXPECT_TRUE(o.wheel.idle());
}

// Without a way to ask for live entries the wheel refuses rather than grow, and loses nothing.
TEST(Wheel, refuses_to_arm_earlier_when_stale_entries_fill_it) {
  constexpr std::uint32_t ids = 100;
  Owner o(ids, Tick{5});
  unsigned refused = 0;
  for (unsigned round = 0; round < 100; ++round) {
    for (std::uint32_t id = 0; id < ids; ++id) {
      refused += o.set(id, o.now + 60'000 - round * 100) ? 0 : 1;
      ASSERT_LE(o.wheel.entries(), ids * 5 / 2 + 1024);
    }
    o.advance(all, false);
  }
  EXPECT_GT(refused, 0u);
  o.now += 70'000;
  while (o.advance(256, false) != 0) {
  }
  EXPECT_EQ(o.log.size(), ids);
}

// Stale entries at their limit, then every id armed afresh: the memory of the bound is all needed.
TEST(Wheel, memory_suffices_at_its_bound) {
  for (const std::uint32_t ids : {1u, 16u, 1'000u, 30'000u}) {
    Owner o(ids, Tick{0});
    Random random(ids);
    // Stale: far entries overtaken by near ones, which fire.
    for (unsigned round = 0; round < 2'000 && o.wheel.entries() < ids * 3 / 2 + 1024; ++round) {
      for (std::uint32_t id = 0; id < ids; ++id) {
        o.set(id, o.now + (1u << 20) + random() % (1u << 28));
        o.set(id, o.now + 1);
      }
      o.now += 2;
      o.advance(all, false);
    }
    for (std::uint32_t id = 0; id < ids; ++id) {
      ASSERT_TRUE(o.at[id] != 0 || o.set(id, o.now + (1u << 20) + random() % (1u << 28)));
    }
    EXPECT_GE(o.wheel.entries(), ids * 3 / 2 + 1024);
    o.now += 1ull << 29;
    while (o.advance(1'000, false) != 0) {
    }
    EXPECT_TRUE(o.wheel.idle());
  }
}

TEST(Wheel, twenty_one_bytes_per_id_and_a_little) {
  HeapMemory memory;
  const Wheel wheel(memory, 1'000'000, Tick{0});
  EXPECT_LT(memory.bytes(Use::timers), 21'500'000u);
}

}  // namespace
}  // namespace salut::timer
