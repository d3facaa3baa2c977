#include "load/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace salut::load {
namespace {

// The oracle: all values, sorted; the percentile is the smallest that so many do not exceed.
double exact(const std::vector<std::uint64_t>& sorted, double percent) {
  const double share = percent / 100 * static_cast<double>(sorted.size());
  const auto rank = std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(share)));
  return static_cast<double>(sorted[rank - 1]);
}

void expect_like_oracle(const Histogram& histogram, std::vector<std::uint64_t> values,
                        unsigned seed) {
  std::ranges::sort(values);
  ASSERT_EQ(histogram.count(), values.size());
  ASSERT_EQ(histogram.max(), values.back());
  for (const double percent : {0.0, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    const double want = exact(values, percent);
    ASSERT_NEAR(histogram.percentile(percent), want, want * 0.004 + 1e-9)
        << "percentile " << percent << ", seed " << seed;
  }
}

TEST(Histogram, random_values_against_sorted_vector) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    const unsigned bits = 1 + seed % 38;
    Histogram histogram;
    std::vector<std::uint64_t> values;
    const std::size_t count = 1 + random() % 5'000;
    for (std::size_t i = 0; i < count; ++i) {
      values.push_back(random() >> (63 - random() % bits));
      histogram.record(values.back());
    }
    expect_like_oracle(histogram, values, seed);
  }
}

TEST(Histogram, merged_is_as_recorded_together) {
  std::mt19937_64 random(7);
  Histogram parts[3];
  std::vector<std::uint64_t> values;
  for (int i = 0; i < 30'000; ++i) {
    values.push_back(random() % 3'000'000);
    parts[random() % 3].record(values.back());
  }
  parts[0].merge(parts[1]);
  parts[0].merge(parts[2]);
  expect_like_oracle(parts[0], values, 7);
}

TEST(Histogram, for_each_has_every_value_once_in_order) {
  Histogram histogram;
  for (const std::uint64_t value : {5u, 5u, 300u, 70'000u}) histogram.record(value);
  std::vector<double> middles;
  std::uint64_t sum = 0;
  histogram.for_each([&](double middle, std::uint64_t count) {
    middles.push_back(middle);
    sum += count;
  });
  ASSERT_EQ(middles.size(), 3u);
  EXPECT_EQ(middles[0], 5);
  EXPECT_NEAR(middles[1], 300, 300 * 0.004);
  EXPECT_NEAR(middles[2], 70'000, 70'000 * 0.004);
  EXPECT_EQ(sum, 4u);
}

TEST(Histogram, every_step_holds_its_own_values) {
  for (std::uint64_t value = 0; value < 100'000; ++value) {
    Histogram histogram;
    histogram.record(value);
    const auto shown = histogram.percentile(50);
    ASSERT_LE(std::abs(shown - static_cast<double>(value)), static_cast<double>(value) * 0.004);
  }
}

TEST(Histogram, small_values_are_exact) {
  Histogram histogram;
  for (std::uint64_t value = 0; value < 256; ++value) histogram.record(value);
  EXPECT_EQ(histogram.percentile(50), 127);
  EXPECT_EQ(histogram.percentile(100), 255);
}

TEST(Histogram, empty_and_cleared_say_zero) {
  Histogram histogram;
  EXPECT_EQ(histogram.percentile(99), 0);
  histogram.record(5);
  histogram.clear();
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.max(), 0u);
  EXPECT_EQ(histogram.percentile(99), 0);
}

TEST(Histogram, beyond_its_range_max_stays_exact) {
  Histogram histogram;
  histogram.record(~std::uint64_t{0});
  histogram.record(1);
  EXPECT_EQ(histogram.max(), ~std::uint64_t{0});
  EXPECT_EQ(histogram.percentile(50), 1);
  EXPECT_GT(histogram.percentile(100), 1e12);
}

}  // namespace
}  // namespace salut::load
