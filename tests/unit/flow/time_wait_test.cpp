#include "flow/time_wait.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <vector>

#include "flow/table.hpp"

namespace salut::flow {
namespace {

using Random = std::mt19937_64;

constexpr std::uint32_t all = 1u << 30;  // a budget that is never spent

Record record_of(std::uint32_t id, Tick deadline) {
  Record record;
  record.key = make_key(id, 1, 2, 3);
  record.snd_nxt = id;
  record.rcv_nxt = ~id;
  record.ts_recent = id ^ 0x5a5a5a5a;
  record.deadline = deadline.value;
  record.rcv_wnd = static_cast<std::uint16_t>(id);
  record.flags = static_cast<std::uint8_t>(id);
  return record;
}

void expect_intact(const Record& record, std::uint32_t id) {
  EXPECT_EQ(record.key, make_key(id, 1, 2, 3));
  EXPECT_EQ(record.snd_nxt, id);
  EXPECT_EQ(record.rcv_nxt, ~id);
  EXPECT_EQ(record.ts_recent, id ^ 0x5a5a5a5a);
  EXPECT_EQ(record.rcv_wnd, static_cast<std::uint16_t>(id));
  EXPECT_EQ(record.flags, static_cast<std::uint8_t>(id));
}

std::vector<std::uint32_t> expire(TimeWait& arena, Tick now, unsigned budget = all) {
  std::vector<std::uint32_t> ids;
  arena.expire(now, budget, [&](std::span<const Expired> batch) {
    EXPECT_LE(batch.size(), TimeWait::max_batch);
    for (const Expired& e : batch) {
      EXPECT_EQ(e.record, &arena[e.index]);
      expect_intact(*e.record, e.record->snd_nxt);
      EXPECT_GE(now, Tick{e.record->deadline});
      ids.push_back(e.record->snd_nxt);
    }
  });
  return ids;
}

TEST(TimeWait, expires_at_its_tick_and_not_before) {
  HeapMemory memory;
  TimeWait arena(memory, 100, Tick{0});
  const std::uint32_t index = arena.append(record_of(1, Tick{5000}));
  ASSERT_NE(index, TimeWait::none);
  expect_intact(arena[index], 1);
  EXPECT_EQ(arena.next(), Tick{5000});
  EXPECT_TRUE(expire(arena, Tick{4999}).empty());
  EXPECT_EQ(expire(arena, Tick{5000}), std::vector<std::uint32_t>{1});
  EXPECT_EQ(arena.size(), 0u);
  EXPECT_EQ(arena.next(), std::nullopt);
  EXPECT_TRUE(expire(arena, Tick{60000}).empty());
}

TEST(TimeWait, deadline_that_has_passed_expires_at_once) {
  HeapMemory memory;
  TimeWait arena(memory, 100, Tick{1000});
  expire(arena, Tick{20'000});
  arena.append(record_of(1, Tick{19'000}));
  EXPECT_EQ(expire(arena, Tick{20'000}).size(), 1u);
}

TEST(TimeWait, killed_never_expires) {
  HeapMemory memory;
  TimeWait arena(memory, 100, Tick{0});
  arena.append(record_of(1, Tick{50}));
  const std::uint32_t second = arena.append(record_of(2, Tick{50}));
  arena.append(record_of(3, Tick{50}));
  arena.kill(second);
  EXPECT_EQ(arena.size(), 2u);
  EXPECT_EQ(expire(arena, Tick{50}), (std::vector<std::uint32_t>{1, 3}));
}

// In one slot, and the dead one would have been the last to go.
TEST(TimeWait, killed_does_not_hold_back_those_behind_it) {
  HeapMemory memory;
  TimeWait arena(memory, 100, Tick{0});
  arena.append(record_of(0, Tick{1000}));
  const std::uint32_t last = arena.append(record_of(1, Tick{2040}));
  arena.append(record_of(2, Tick{2030}));
  arena.kill(last);
  EXPECT_EQ(expire(arena, Tick{1000}), std::vector<std::uint32_t>{0});
  EXPECT_LE(arena.next(), Tick{2030});
  EXPECT_TRUE(expire(arena, Tick{2029}).empty());
  EXPECT_EQ(expire(arena, Tick{2030}), std::vector<std::uint32_t>{2});
}

// The attack of one peer: beside each live record another starts again fifteen times.
TEST(TimeWait, restarts_beside_live_records_leave_the_capacity_to_all) {
  constexpr std::uint32_t capacity = 16'384;
  constexpr std::uint32_t msl2 = 2'000;
  HeapMemory memory;
  TimeWait arena(memory, capacity, Tick{0}, msl2);
  const std::uint32_t moving = arena.append(record_of(0, Tick{msl2}));
  for (std::uint32_t i = 1; i < capacity; ++i) {
    expire(arena, Tick{i / 16});
    const Tick deadline{i / 16 + msl2};
    ASSERT_NE(arena.append(record_of(i, deadline)), TimeWait::none) << "after " << i << " records";
    for (unsigned fin = 0; fin < 15; ++fin) ASSERT_TRUE(arena.restart(moving, deadline));
  }
  EXPECT_EQ(arena.size(), capacity);
}

TEST(TimeWait, restarted_expires_at_its_new_tick_and_holds_back_nobody) {
  HeapMemory memory;
  TimeWait arena(memory, 16, Tick{0}, 60'000);
  std::uint32_t first = arena.append(record_of(1, Tick{1'000}));
  arena.append(record_of(2, Tick{1'001}));
  ASSERT_TRUE(arena.restart(first, Tick{50'000}));
  EXPECT_LE(arena.next(), Tick{1'001});
  std::vector<std::uint32_t> ids;
  const auto run = [&](std::uint32_t now) {
    ids.clear();
    const auto gone = [&](std::span<const Expired> batch) {
      for (const Expired& e : batch) ids.push_back(e.record->snd_nxt);
    };
    arena.expire(Tick{now}, all, gone, [&](std::uint32_t from, std::uint32_t to) {
      EXPECT_EQ(from, first);
      expect_intact(arena[to], 1);
      first = to;
    });
    return ids;
  };
  EXPECT_TRUE(run(1'000).empty());
  EXPECT_EQ(run(1'001), std::vector<std::uint32_t>{2});
  EXPECT_EQ(arena.size(), 1u);
  EXPECT_TRUE(run(49'999).empty());
  EXPECT_EQ(run(50'000), std::vector<std::uint32_t>{1});
  EXPECT_EQ(arena.size(), 0u);
}

// All restarted at once in a full arena: the moves find room.
TEST(TimeWait, full_arena_of_restarted_records_moves_them_all) {
  constexpr std::uint32_t capacity = 3'000;
  for (const std::uint32_t spread : {1u, 3u, 500u, 60'000u}) {
    HeapMemory memory;
    Random random(spread);
    TimeWait arena(memory, capacity, Tick{0}, 60'000);
    for (std::uint32_t i = 0; i < capacity; ++i) {
      const Tick deadline{static_cast<std::uint32_t>(random() % spread)};
      const std::uint32_t index = arena.append(record_of(i, deadline));
      ASSERT_NE(index, TimeWait::none);
      ASSERT_TRUE(arena.restart(index, Tick{60'000 + static_cast<std::uint32_t>(random() % 16)}));
    }
    std::size_t gone = 0;
    const auto count = [&](std::span<const Expired> batch) { gone += batch.size(); };
    for (std::uint32_t now = 0; now < 60'000; now += 777) arena.expire(Tick{now}, all, count);
    EXPECT_EQ(gone, 0u);
    EXPECT_EQ(arena.size(), capacity);
    arena.expire(Tick{60'032}, all, count);
    EXPECT_EQ(gone, capacity);
  }
}

// Dead records have taken all chunks, so that it cannot move: it waits as if not restarted.
TEST(TimeWait, restarted_that_finds_no_room_waits_for_its_old_deadline) {
  HeapMemory memory;
  TimeWait arena(memory, 4'096, Tick{0}, 800);
  std::uint32_t index = arena.append(record_of(0, Tick{799}));
  ASSERT_TRUE(arena.restart(index, Tick{1'000}));
  for (;;) {  // a live one in each chunk, and fifteen dead
    index = arena.append(record_of(1, Tick{800}));
    if (index == TimeWait::none) break;
    if (index % 16 != 0) arena.kill(index);
  }
  ASSERT_LT(arena.size(), arena.capacity());
  std::vector<std::uint32_t> ids;
  const auto run = [&](std::uint32_t now) {
    arena.expire(Tick{now}, all, [&](std::span<const Expired> batch) {
      for (const Expired& e : batch) ids.push_back(e.record->snd_nxt);
    });
  };
  run(799);
  EXPECT_TRUE(ids.empty());
  run(800);
  ASSERT_FALSE(ids.empty());
  EXPECT_EQ(ids.front(), 0u);
  EXPECT_EQ(arena.size(), 0u);
}

// A record that is replaced by a copy with a new deadline, the old record dead. However often.
TEST(TimeWait, restarts_do_not_fill_the_arena) {
  HeapMemory memory;
  TimeWait arena(memory, 16, Tick{0});
  std::uint32_t index = arena.append(record_of(1, Tick{57'221}));
  for (std::uint32_t now = 1; now < 100'000; ++now) {
    EXPECT_TRUE(expire(arena, Tick{now}).empty());
    const std::uint32_t copy = arena.append(record_of(1, Tick{now + 57'221}));
    ASSERT_NE(copy, TimeWait::none);
    arena.kill(index);
    index = copy;
    ASSERT_EQ(arena.size(), 1u);
  }
  EXPECT_TRUE(expire(arena, Tick{99'999 + 57'220}).empty());
  EXPECT_EQ(expire(arena, Tick{99'999 + 57'221}).size(), 1u);
}

// The worst spread of deadlines, a slot for each, still fits `capacity`.
TEST(TimeWait, capacity_fits_however_deadlines_spread) {
  for (const std::uint32_t capacity : {0u, 1u, 16u, 17u, 1'000u, 20'000u}) {
    for (const std::uint32_t spread : {1u, 16u, 1024u, 6'866'456u}) {
      HeapMemory memory;
      TimeWait arena(memory, capacity, Tick{77});
      Random random(capacity + spread);
      for (unsigned round = 0; round < 3; ++round) {
        const Tick now{77 + round * 7'000'000};
        expire(arena, now);
        ASSERT_EQ(arena.size(), 0u);
        for (std::uint32_t i = 0; i < capacity; ++i) {
          const Tick deadline = now + static_cast<std::uint32_t>(random() % spread);
          ASSERT_NE(arena.append(record_of(i, deadline)), TimeWait::none) << capacity << spread;
        }
        EXPECT_EQ(arena.size(), capacity);
        EXPECT_EQ(arena.append(record_of(0, now)), TimeWait::none);
      }
    }
  }
}

TEST(TimeWait, refuses_what_the_ring_does_not_reach) {
  HeapMemory memory;
  TimeWait arena(memory, 100, Tick{0}, 57'221);
  EXPECT_EQ(arena.slot_ticks(), 16u);
  EXPECT_NE(arena.append(record_of(1, Tick{57'221})), TimeWait::none);
  EXPECT_EQ(arena.append(record_of(2, Tick{100'000})), TimeWait::none);
  EXPECT_EQ(arena.size(), 1u);
}

TEST(TimeWait, slots_are_as_narrow_as_the_longest_2msl_allows) {
  HeapMemory memory;
  EXPECT_EQ(TimeWait(memory, 16, Tick{0}, 57'221).slot_ticks(), 16u);   // one minute
  EXPECT_EQ(TimeWait(memory, 16, Tick{0}, 228'882).slot_ticks(), 32u);  // RFC 9293's four
  EXPECT_EQ(TimeWait(memory, 16, Tick{0}).slot_ticks(), 1024u);         // two hours
}

struct Case {
  std::uint64_t seed;
  Tick start;
  unsigned budget;
};
class TimeWaitOracle : public testing::TestWithParam<Case> {};

// One 2MSL for all: records leave in the order of their arrival, each at its very tick.
TEST_P(TimeWaitOracle, equal_2msl_is_exact) {
  const auto [seed, start, budget] = GetParam();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  constexpr std::uint32_t capacity = 3'000;
  HeapMemory memory;
  Random random(seed);
  const std::uint32_t msl2 = static_cast<std::uint32_t>(1 + random() % 60'000);
  TimeWait arena(memory, capacity, start, msl2);
  struct Waiting {
    std::uint32_t id, index;
    Tick deadline;
    bool live;
  };
  std::deque<Waiting> oracle;
  std::size_t live = 0;
  Tick now = start;
  std::uint32_t next_id = 0;
  for (unsigned step = 0; step < 200'000; ++step) {
    switch (random() % 8) {
      case 0:
        now = now + static_cast<std::uint32_t>(random() % (msl2 / 500 + 2));
        break;
      case 1:
        if (random() % 500 == 0) now = now + static_cast<std::uint32_t>(random() % 1'000'000);
        break;
      case 2:
        if (!oracle.empty()) {
          Waiting& w = oracle[random() % oracle.size()];
          if (w.live) arena.kill(w.index), w.live = false, --live;
        }
        break;
      default: {
        const std::uint32_t index = arena.append(record_of(next_id, now + msl2));
        if (index == TimeWait::none) {
          // Dead records count until their chunk is all dead, and chunks have 16.
          ASSERT_GE(oracle.size(), capacity) << "step " << step;
          break;
        }
        oracle.push_back(Waiting{next_id++, index, now + msl2, true});
        ++live;
      }
    }
    ASSERT_EQ(arena.size(), live);
    if (const auto next = arena.next()) {
      for (const Waiting& w : oracle) {
        if (w.live) {
          ASSERT_LE(*next, w.deadline);
          break;
        }
      }
    }
    bool more = false;
    do {
      unsigned used = 0;
      used = arena.expire(now, budget, [&](std::span<const Expired> batch) {
        for (const Expired& e : batch) {
          while (!oracle.front().live) oracle.pop_front();
          ASSERT_EQ(e.record->snd_nxt, oracle.front().id) << "step " << step;
          ASSERT_EQ(e.index, oracle.front().index);
          ASSERT_LE(oracle.front().deadline, now);
          expect_intact(*e.record, oracle.front().id);
          oracle.pop_front();
          --live;
        }
      });
      ASSERT_LE(used, budget);
      more = used == budget;
    } while (more);
    while (!oracle.empty() && !oracle.front().live) oracle.pop_front();
    ASSERT_TRUE(oracle.empty() || oracle.front().deadline > now) << "step " << step;
    ASSERT_TRUE(live == 0 || *arena.next() > now) << "step " << step;
  }
}

// Any deadlines: never early, at most a slot late, and each comes out once.
TEST_P(TimeWaitOracle, mixed_deadlines_are_at_most_a_slot_late) {
  const auto [seed, start, budget] = GetParam();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  HeapMemory memory;
  Random random(seed);
  TimeWait arena(memory, 2'000, start, 300'000);
  std::multimap<std::uint64_t, std::uint32_t> by_deadline;                   // since start
  std::map<std::uint32_t, std::pair<std::uint64_t, std::uint32_t>> waiting;  // id: deadline, index
  std::uint64_t now = 0;
  std::uint32_t next_id = 0;
  const auto forget = [&](std::uint32_t id, std::uint64_t deadline) {
    for (auto it = by_deadline.find(deadline); it->first == deadline; ++it) {
      if (it->second == id) return (void)by_deadline.erase(it);
    }
  };
  for (unsigned step = 0; step < 100'000; ++step) {
    if (random() % 16 == 0) now += random() % 5'000;
    if (random() % 8 == 0 && !waiting.empty()) {
      auto it = waiting.lower_bound(static_cast<std::uint32_t>(random() % next_id));
      if (it != waiting.end()) {
        arena.kill(it->second.second);
        forget(it->first, it->second.first);
        waiting.erase(it);
      }
    }
    if (random() % 8 == 0 && !waiting.empty()) {
      auto it = waiting.lower_bound(static_cast<std::uint32_t>(random() % next_id));
      const std::uint64_t later = now + random() % 300'000;
      if (it != waiting.end() && later >= it->second.first) {
        ASSERT_TRUE(arena.restart(it->second.second, start + static_cast<std::uint32_t>(later)));
        forget(it->first, it->second.first);
        it->second.first = later;
        by_deadline.emplace(later, it->first);
      }
    }
    const std::uint64_t deadline = now + random() % (random() % 2 == 0 ? 300'000 : 100);
    const Tick tick = start + static_cast<std::uint32_t>(deadline);
    const std::uint32_t index = arena.append(record_of(next_id, tick));
    if (index != TimeWait::none) {
      waiting[next_id] = {deadline, index};
      by_deadline.emplace(deadline, next_id++);
    } else {
      ASSERT_EQ(arena.size(), arena.capacity());
    }
    const Tick now_tick = start + static_cast<std::uint32_t>(now);
    const auto moved = [&](std::uint32_t from, std::uint32_t to) {
      const auto it = waiting.find(arena[to].snd_nxt);
      ASSERT_NE(it, waiting.end());
      ASSERT_EQ(it->second.second, from);
      it->second.second = to;
    };
    const auto expired = [&](std::span<const Expired> batch) {
      for (const Expired& e : batch) {
        const auto it = waiting.find(e.record->snd_nxt);
        ASSERT_NE(it, waiting.end());
        ASSERT_EQ(it->second.second, e.index);
        ASSERT_LE(it->second.first, now);
        forget(it->first, it->second.first);
        waiting.erase(it);
      }
    };
    while (arena.expire(now_tick, budget, expired, moved) == budget) {
    }
    ASSERT_EQ(arena.size(), waiting.size());
    ASSERT_TRUE(waiting.empty() || *arena.next() > now_tick) << "step " << step;
    if (!by_deadline.empty()) {
      ASSERT_GT(by_deadline.begin()->first + arena.slot_ticks(), now) << "step " << step;
    }
  }
  now += 400'000;
  EXPECT_EQ(expire(arena, start + static_cast<std::uint32_t>(now)).size(), waiting.size());
}

INSTANTIATE_TEST_SUITE_P(Seeds, TimeWaitOracle,
                         testing::Values(Case{1, Tick{0}, all}, Case{2, Tick{0xffff'0000}, all},
                                         Case{3, Tick{0xffff'fff0}, 1},
                                         Case{4, Tick{0x7fff'ff00}, 7},
                                         Case{5, Tick{123'456}, 64}));

TEST(TimeWait, budget_bounds_a_turn_and_nothing_is_lost) {
  HeapMemory memory;
  TimeWait arena(memory, 10'000, Tick{0});
  for (std::uint32_t i = 0; i < 10'000; ++i) arena.append(record_of(i, Tick{100}));
  std::uint32_t expected = 0;
  while (arena.size() != 0) {
    const auto ids = expire(arena, Tick{100}, 100);
    ASSERT_EQ(ids.size(), 100u);
    for (const std::uint32_t id : ids) ASSERT_EQ(id, expected++);
  }
}

// Long after expire() was last called, appends and expiry still agree.
TEST(TimeWait, stall_longer_than_the_ring) {
  HeapMemory memory;
  TimeWait arena(memory, 100, Tick{0}, 57'221);
  arena.append(record_of(1, Tick{57'221}));
  const Tick late{40'000'000};
  EXPECT_EQ(arena.append(record_of(2, late + 57'221)), TimeWait::none);
  EXPECT_EQ(expire(arena, late), std::vector<std::uint32_t>{1});
  EXPECT_NE(arena.append(record_of(3, late + 57'221)), TimeWait::none);
  EXPECT_TRUE(expire(arena, late + 57'220).empty());
  EXPECT_EQ(expire(arena, late + 57'221), std::vector<std::uint32_t>{3});
}

// Memory is counted, not touched.
class CountingMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes, Use use) override {
    bytes_[static_cast<std::size_t>(use)] += bytes;
    return this;
  }
  void release(void*, std::size_t, Use) noexcept override {}
};

TEST(TimeWait, hundred_million_fit_five_gib_with_their_table) {
  CountingMemory memory;
  const TimeWait arena(memory, 100'000'000, Tick{0});
  const Table table(memory, 100'000'000);
  const std::uint64_t bytes = memory.bytes(Use::time_wait) + memory.bytes(Use::flow_table);
  EXPECT_LT(bytes, 5ull << 30);
}

TEST(TimeWait, a_billion_is_the_limit_of_its_indices) {
  CountingMemory memory;
  EXPECT_NO_THROW(TimeWait(memory, 1'000'000'000, Tick{0}));
  EXPECT_THROW(TimeWait(memory, 0xffff'ffff, Tick{0}), std::invalid_argument);
}

}  // namespace
}  // namespace salut::flow
