#include "flow/table.hpp"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>
#include <vector>

namespace salut::flow {
namespace {

using Random = std::mt19937_64;

// Keys are numbers here, and an index names its key, as a TCB would.
struct World {
  World(std::uint64_t entries, std::uint64_t seed) : table(memory, entries), salt(seed) {}

  std::uint64_t hash(std::uint64_t key) const {
    std::uint64_t state = key * 0x2545f4914f6cdd1d + salt;
    return expand(state);
  }
  std::uint32_t find(std::uint64_t key) const {
    return table.find(hash(key), [&](std::uint32_t index) {
      const auto it = key_of.find(index);
      return it != key_of.end() && it->second == key;
    });
  }

  HeapMemory memory;
  Table table;
  std::uint64_t salt;
  std::unordered_map<std::uint32_t, std::uint64_t> key_of;
};

TEST(Table, empty_finds_nothing) {
  World w(16, 1);
  EXPECT_EQ(w.table.size(), 0u);
  EXPECT_EQ(w.table.candidate(w.hash(1)), Table::none);
  EXPECT_EQ(w.find(1), Table::none);
  EXPECT_FALSE(w.table.erase(w.hash(1), 0));
  EXPECT_FALSE(w.table.replace(w.hash(1), 0, 1));
}

TEST(Table, holds_any_index_but_none) {
  World w(16, 1);
  for (const std::uint32_t index : {0u, 0x80000000u, 0xfffffffeu}) {
    ASSERT_TRUE(w.table.insert(w.hash(index), index));
    EXPECT_EQ(w.table.candidate(w.hash(index)), index);
  }
}

// A hash whose low half is zero must not be taken for an empty slot.
TEST(Table, tag_zero_is_an_entry) {
  World w(16, 1);
  ASSERT_TRUE(w.table.insert(0x1234'5678'9abc'0000, 7));
  EXPECT_EQ(w.table.candidate(0x1234'5678'9abc'0000), 7u);
  EXPECT_TRUE(w.table.erase(0x1234'5678'9abc'0000, 7));
  EXPECT_EQ(w.table.candidate(0x1234'5678'9abc'0000), Table::none);
}

TEST(Table, replace_keeps_the_entry_and_changes_its_index) {
  World w(16, 1);
  ASSERT_TRUE(w.table.insert(w.hash(5), 5));
  EXPECT_TRUE(w.table.replace(w.hash(5), 5, 0x80000001));
  EXPECT_FALSE(w.table.replace(w.hash(5), 5, 6));
  EXPECT_EQ(w.table.candidate(w.hash(5)), 0x80000001u);
  EXPECT_EQ(w.table.size(), 1u);
}

class TableOracle : public testing::TestWithParam<std::tuple<std::uint64_t, std::uint64_t>> {};

// Random operations at a load that wanders up to the capacity, against std::unordered_map.
TEST_P(TableOracle, agrees_with_unordered_map) {
  const auto [entries, seed] = GetParam();
  SCOPED_TRACE(testing::Message() << "entries " << entries << " seed " << seed);
  World w(entries, seed);
  Random random(seed);
  std::unordered_map<std::uint64_t, std::uint32_t> oracle;  // key to index
  std::uint32_t next_index = 0;
  const std::uint64_t keys = entries + entries / 4 + 1;
  for (unsigned step = 0; step < 300'000; ++step) {
    const std::uint64_t key = random() % keys;
    const auto known = oracle.find(key);
    ASSERT_EQ(w.find(key), known == oracle.end() ? Table::none : known->second) << "step " << step;
    const std::uint64_t what = random() % 8;
    if (known == oracle.end()) {
      if (oracle.size() >= entries) continue;
      const std::uint32_t index = next_index++;
      ASSERT_TRUE(w.table.insert(w.hash(key), index)) << "step " << step;
      oracle[key] = index;
      w.key_of[index] = key;
    } else if (what == 0) {
      const std::uint32_t index = next_index++ | 0x80000000;
      ASSERT_TRUE(w.table.replace(w.hash(key), known->second, index));
      w.key_of.erase(known->second);
      w.key_of[index] = key;
      known->second = index;
    } else if (what < 3) {
      ASSERT_FALSE(w.table.erase(w.hash(key), known->second + 1));
      ASSERT_TRUE(w.table.erase(w.hash(key), known->second));
      w.key_of.erase(known->second);
      oracle.erase(known);
    }
    ASSERT_EQ(w.table.size(), oracle.size());
  }
  EXPECT_TRUE(w.table.audit());
  for (const auto& [key, index] : oracle) {
    EXPECT_NE(w.table.candidate(w.hash(key)), Table::none);
    EXPECT_TRUE(w.table.erase(w.hash(key), index));
  }
  EXPECT_EQ(w.table.size(), 0u);
  EXPECT_TRUE(w.table.audit());
}

INSTANTIATE_TEST_SUITE_P(Seeds, TableOracle,
                         testing::Combine(testing::Values(1, 16, 100, 5'000, 60'000),
                                          testing::Values(1, 2, 3)));

TEST(Table, capacity_fits_whatever_the_size_and_the_seed) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    for (std::uint64_t entries = 0; entries <= 1200; entries += 1 + entries / 8) {
      World w(entries, seed * 0x9e3779b97f4a7c15);
      for (std::uint32_t key = 0; key < entries; ++key) {
        ASSERT_TRUE(w.table.insert(w.hash(key), key)) << entries << " entries, seed " << seed;
      }
    }
  }
}

// Beyond the promised load, to the first refusal: nothing is lost on the way.
TEST(Table, filled_until_it_refuses_keeps_all) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    constexpr std::uint64_t entries = 50'000;
    World w(entries, seed);
    std::uint32_t count = 0;
    while (w.table.insert(w.hash(count), count)) w.key_of[count] = count, ++count;
    const double load = count * 8.0 / static_cast<double>(w.memory.bytes(Use::flow_table) / 8);
    EXPECT_GT(load, 0.95);
    EXPECT_EQ(w.table.size(), count);
    EXPECT_TRUE(w.table.audit());
    for (std::uint32_t key = 0; key < count; ++key) ASSERT_EQ(w.find(key), key);
    for (std::uint32_t key = count; key < 2 * count; ++key) ASSERT_EQ(w.find(key), Table::none);
    for (std::uint32_t key = 0; key < count; ++key) ASSERT_TRUE(w.table.erase(w.hash(key), key));
    EXPECT_TRUE(w.table.audit());
  }
}

// Years of connections through a full table: guests must go home or leave, or misses would come to
// touch two lines. The share of second looks is what the header promises to keep small.
TEST(Table, churn_at_capacity_does_not_wear_it_out) {
  constexpr std::uint32_t entries = 20'000;
  World w(entries, 3);
  Random random(3);
  std::vector<std::uint64_t> key_at(entries);
  std::uint64_t next_key = 0;
  for (std::uint32_t i = 0; i < entries; ++i) {
    key_at[i] = next_key++;
    ASSERT_TRUE(w.table.insert(w.hash(key_at[i]), i));
  }
  for (unsigned step = 0; step < 1'000'000; ++step) {
    const auto i = static_cast<std::uint32_t>(random() % entries);
    ASSERT_TRUE(w.table.erase(w.hash(key_at[i]), i));
    key_at[i] = next_key++;
    ASSERT_TRUE(w.table.insert(w.hash(key_at[i]), i));
  }
  EXPECT_TRUE(w.table.audit());
}

TEST(Table, candidates_agree_with_candidate) {
  World w(5'000, 9);
  for (std::uint32_t key = 0; key < 5'000; ++key) ASSERT_TRUE(w.table.insert(w.hash(key), key));
  std::vector<std::uint64_t> hashes;
  for (std::uint64_t key = 0; key < 10'001; ++key) hashes.push_back(w.hash(key));
  std::vector<std::uint32_t> out(hashes.size(), Table::none);
  w.table.candidates(hashes.data(), static_cast<unsigned>(hashes.size()),
                     [&](unsigned i, std::uint32_t index) { out[i] = index; });
  unsigned wrong = 0;
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    ASSERT_EQ(out[i], w.table.candidate(hashes[i]));
    ASSERT_TRUE(i >= 5'000 || out[i] != Table::none);
    wrong += out[i] != (i < 5'000 ? static_cast<std::uint32_t>(i) : Table::none) ? 1 : 0;
  }
  EXPECT_LT(wrong, 20u);  // 16 / 65,536 of 10,001 are expected
}

// Colliding keys cost their own, and nobody else's: one pair of buckets holds sixteen.
TEST(Table, flood_of_one_hash_fills_two_buckets_only) {
  World w(1'000, 1);
  const std::uint64_t hash = w.hash(1);
  for (std::uint32_t i = 0; i < 16; ++i) ASSERT_TRUE(w.table.insert(hash, i));
  EXPECT_FALSE(w.table.insert(hash, 16));
  EXPECT_TRUE(w.table.insert(w.hash(2), 17));
  for (std::uint32_t i = 0; i < 16; ++i) {
    EXPECT_EQ(w.table.find(hash, [&](std::uint32_t index) { return index == i; }), i);
    EXPECT_TRUE(w.table.erase(hash, i));
  }
  EXPECT_TRUE(w.table.audit());
}

// More guests from one home than its count of eight bits can hold.
TEST(Table, count_that_overflows_still_finds_all) {
  World w(100'000, 1);
  const auto hash = [](std::uint32_t i) {
    return 0x5555'5555'5555'0000 | static_cast<std::uint64_t>(i * 8 + 3);
  };
  std::vector<std::uint32_t> inside;
  for (std::uint32_t i = 0; i < 2'000; ++i) {
    if (w.table.insert(hash(i), i)) inside.push_back(i);
  }
  EXPECT_GT(inside.size(), 1'500u);
  for (const std::uint32_t i : inside) ASSERT_EQ(w.table.candidate(hash(i)), i);
  EXPECT_TRUE(w.table.audit());
  for (const std::uint32_t i : inside) ASSERT_TRUE(w.table.erase(hash(i), i));
  EXPECT_EQ(w.table.size(), 0u);
}

TEST(Table, twelve_bytes_per_entry) {
  HeapMemory memory;
  const Table table(memory, 1'000'000);
  EXPECT_LE(memory.bytes(Use::flow_table), 12'000'000u);
}

}  // namespace
}  // namespace salut::flow
