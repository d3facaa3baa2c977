// The list of counters: whatever walks it must meet every number that a stack counts.
#include "salut/counters.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <set>
#include <string>

namespace salut {
namespace {

constexpr std::size_t numbers = sizeof(Counters) / sizeof(std::uint64_t);
using Numbers = std::array<std::uint64_t, numbers>;

TEST(Counters, sum_has_every_number) {
  Numbers ones;
  ones.fill(1);
  Numbers twos;
  twos.fill(2);
  auto sum = std::bit_cast<Counters>(ones);
  sum += std::bit_cast<Counters>(twos);
  EXPECT_EQ(sum.siblings_alive, 2u) << "each stack sees the same siblings";
  sum.siblings_alive = 3;
  Numbers threes;
  threes.fill(3);
  EXPECT_EQ(std::bit_cast<Numbers>(sum), threes);
}

TEST(Counters, list_has_a_name_and_a_sentence_for_every_number) {
  std::set<std::string> names;
  std::size_t seen = counter_fields.size();
  for (const CounterField& field : counter_fields) {
    EXPECT_TRUE(names.emplace(field.name).second) << field.name;
    EXPECT_FALSE(field.sentence.empty()) << field.name;
    EXPECT_EQ(field.in(Shown::stream | Shown::bench | Shown::serve), field.shown.row[0] != '\0')
        << field.name << " has no row in the text, or needs none";
  }
  for_each_counter_array([&](const CounterArrayInfo& info, auto member) {
    EXPECT_TRUE(names.emplace(info.name).second) << info.name;
    EXPECT_FALSE(info.sentence.empty() || info.label.empty()) << info.name;
    seen += (Counters{}.*member).size();
  });
  EXPECT_EQ(seen, numbers);
}

TEST(Counters, open_connections_are_neither_listeners_nor_in_time_wait) {
  Counters counters;
  std::uint64_t expected = 0;
  for (std::size_t s = 0; s < state_count; ++s) {
    counters.states[s] = std::uint64_t{1} << s;
    const auto state = static_cast<State>(s);
    const bool open = state != State::closed && state != State::listen && state != State::time_wait;
    if (open) expected += counters.states[s];
  }
  EXPECT_EQ(counters.open_connections(), expected);
}

TEST(MemoryUse, total_and_sum_have_every_use) {
  MemoryUse use{1, 2, 4, 8, 16, 32};
  EXPECT_EQ(use.total(), 63u);
  use += use;
  EXPECT_EQ(use.total(), 126u);
  static_assert(sizeof(MemoryUse) == memory_fields.size() * sizeof(std::uint64_t));
}

TEST(Impaired, sum_has_every_number) {
  Impaired impaired{1, 2, 3, 4, 5};
  impaired += impaired;
  EXPECT_EQ((std::array{impaired.frames, impaired.dropped, impaired.duplicated, impaired.reordered,
                        impaired.corrupted}),
            (std::array<std::uint64_t, 5>{2, 4, 6, 8, 10}));
  static_assert(sizeof(Impaired) == impaired_fields.size() * sizeof(std::uint64_t));
}

}  // namespace
}  // namespace salut
