// The controllers' arithmetic against the RFCs' formulas in floating point.
#include "tcp/congestion/congestion.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace salut::tcp {
namespace {

constexpr std::uint32_t mss = 1448;

TEST(Congestion, initial_window_is_that_of_rfc_6928) {
  EXPECT_EQ(initial_cwnd(10, 1460), 14'600u);
  EXPECT_EQ(initial_cwnd(10, 536), 5'360u);
  EXPECT_EQ(initial_cwnd(10, 8960), 17'920u);  // two segments
  EXPECT_EQ(initial_cwnd(4, 1460), 5'840u);
}

TEST(Congestion, slow_start_counts_bytes_and_not_acks) {
  Stream stream;
  stream.cwnd = 10 * mss;
  stream.ssthresh = 0xffffffff;
  slow_start(stream, mss);
  EXPECT_EQ(stream.cwnd, 11 * mss);
  slow_start(stream, 9 * mss);
  EXPECT_EQ(stream.cwnd, 20 * mss);
  slow_start_again(stream, 9 * mss, mss);
  EXPECT_EQ(stream.cwnd, 21 * mss);
  slow_start(stream, 100);
  EXPECT_EQ(stream.cwnd, 21 * mss + 100);
  stream.ssthresh = stream.cwnd + 10;
  slow_start(stream, mss);
  EXPECT_EQ(stream.cwnd, stream.ssthresh);
}

TEST(NewReno, one_segment_per_window_however_many_acks) {
  for (const std::uint32_t size : {mss, 2 * mss, 100u}) {
    std::uint32_t credit = 0;
    std::uint32_t cwnd = 20 * mss;
    for (std::uint32_t acked = 0; acked < 20 * mss; acked += size) {
      cwnd = newreno_grow(credit, cwnd, size, mss);
    }
    EXPECT_EQ(cwnd, 21 * mss);
  }
  std::uint32_t credit = 7;
  EXPECT_EQ(newreno_decrease(credit, 20 * mss, mss), 10 * mss);
  EXPECT_EQ(newreno_decrease(credit, 3 * mss, mss), 2 * mss) << "never below two segments";
}

TEST(Cubic, cube_root_is_exact) {
  for (std::uint64_t n = 0; n < 2'000'000; n += 997) {
    EXPECT_EQ(cube_root(n * n * n), n);
    if (n > 0) {
      EXPECT_EQ(cube_root(n * n * n - 1), n - 1);
      EXPECT_EQ(cube_root(n * n * n + 1), n);
    }
  }
}

// ACKs of every second segment, once a millisecond's worth of window at a time.
std::uint32_t run_for(Cubic& cubic, std::uint32_t cwnd, std::uint32_t ms, std::uint32_t rtt_ms,
                      std::uint32_t& now) {
  for (std::uint32_t t = 0; t < ms; ++t) {
    now += 1'000;
    cwnd = cubic.grow(cwnd, cwnd / rtt_ms, mss, rtt_ms * 1'000, now);
  }
  return cwnd;
}

TEST(Cubic, follows_the_curve_of_rfc_9438) {
  Cubic cubic;
  std::uint32_t now = 0xfff00000;  // the clock wraps on the way
  const std::uint32_t w_max = 1'000 * mss;
  std::uint32_t cwnd = cubic.decrease(w_max, w_max, mss);
  EXPECT_EQ(cwnd, 700 * mss);
  const double k = std::cbrt(300 / 0.4);  // s
  double t = 0;
  for (const std::uint32_t ms : {2'000u, 3'000u, 4'000u, 3'000u, 2'000u}) {
    cwnd = run_for(cubic, cwnd, ms, 100, now);
    t += ms / 1e3;
    const double want = 1'000 + 0.4 * std::pow(t - k, 3);
    EXPECT_NEAR(cwnd / double{mss}, want, 0.03 * want) << "after " << t << " s";
  }
}

TEST(Cubic, is_never_slower_than_reno) {
  Cubic cubic;
  std::uint32_t now = 1'000;
  // A short round trip and a small window: the cubic function would take seconds.
  std::uint32_t cwnd = cubic.decrease(20 * mss, 20 * mss, mss);
  cwnd = run_for(cubic, cwnd, 1'000, 10, now);
  // 100 round trips: alpha 9/17 until 20 segments are reached again, then 1.
  EXPECT_GT(cwnd, (20 + 70) * mss);
  EXPECT_LT(cwnd, (20 + 110) * mss);
}

TEST(Cubic, fast_convergence_lowers_the_goal_of_who_lost_before_it) {
  Cubic cubic;
  cubic.decrease(1'000 * mss, 1'000 * mss, mss);
  cubic.decrease(800 * mss, 800 * mss, mss);
  EXPECT_EQ(cubic.w_max(), 680 * mss);
  cubic.decrease(900 * mss, 900 * mss, mss);
  EXPECT_EQ(cubic.w_max(), 900 * mss);
}

TEST(Cubic, extremes_stay_in_bounds) {
  for (const std::uint32_t size : {64u, 1448u, 8948u}) {
    Cubic cubic;
    std::uint32_t now = 0;
    std::uint32_t cwnd = cubic.decrease(cwnd_max, cwnd_max, size);
    for (int i = 0; i < 2'000; ++i) {
      now += 100'000'000;  // an ACK in 100 s
      const std::uint32_t next = std::min(cubic.grow(cwnd, cwnd, size, 60'000'000, now), cwnd_max);
      ASSERT_GE(next, cwnd);
      cwnd = next;
    }
    Cubic small;
    cwnd = small.decrease(2 * size, 2 * size, size);
    for (int i = 0; i < 100; ++i) cwnd = small.grow(cwnd, 1, size, 1, ++now);
    EXPECT_LT(cwnd, 4 * size);
  }
}

}  // namespace
}  // namespace salut::tcp
