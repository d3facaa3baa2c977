#include "base/hash.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <vector>

namespace salut {
namespace {

TEST(Hash, depends_on_seed_and_on_every_field) {
  const Key key = make_key(0x0a000001, 40000, 0x0a000002, 80);
  const Hasher hash(1);
  EXPECT_EQ(hash(key), Hasher(1)(key));
  EXPECT_NE(hash(key), Hasher(2)(key));
  EXPECT_NE(hash(key), hash(make_key(0x0a000002, 40000, 0x0a000001, 80)));
  EXPECT_NE(hash(key), hash(make_key(0x0a000001, 80, 0x0a000002, 40000)));
}

TEST(Hash, one_bit_of_the_key_changes_half_of_the_hash) {
  std::uint64_t state = 7;
  for (unsigned bit = 0; bit < 96; ++bit) {
    unsigned changed = 0;
    constexpr unsigned samples = 2000;
    for (unsigned i = 0; i < samples; ++i) {
      const Hasher hash(i);
      Key key;
      const std::uint64_t random[2] = {expand(state), expand(state)};
      std::memcpy(&key, random, sizeof key);
      Key other = key;
      reinterpret_cast<unsigned char*>(&other)[bit / 8] ^= static_cast<unsigned char>(1 << bit % 8);
      changed += static_cast<unsigned>(std::popcount(hash(key) ^ hash(other)));
    }
    EXPECT_NEAR(changed / double{samples}, 32.0, 0.5) << "bit " << bit;
  }
}

// What a load generator sends: consecutive ports and addresses. Chi-square over 1,024 bins of the
// bucket's bits and of the tag's.
TEST(Hash, sequential_keys_fill_buckets_and_tags_evenly) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Hasher hash(seed);
    std::vector<unsigned> high(1024), low(1024);
    constexpr unsigned keys = 1 << 18;
    for (unsigned i = 0; i < keys; ++i) {
      const Key key = make_key(0x0a000000 + i / 60000, static_cast<std::uint16_t>(1024 + i % 60000),
                               0xc0000201, 80);
      const std::uint64_t h = hash(key);
      ++high[h >> 54];
      ++low[h & 1023];
    }
    for (const auto* bins : {&high, &low}) {
      double chi = 0;
      for (const unsigned n : *bins) chi += (n - 256.0) * (n - 256.0) / 256.0;
      EXPECT_LT(chi, 1250) << "seed " << seed;  // mean 1,023, five standard deviations
      EXPECT_GT(chi, 800) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace salut
