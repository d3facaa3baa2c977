// What is written in pieces arrives as lines, one at a time, and nowhere without a receiver.
#include "io/log.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace salut::io {
namespace {

class LogTest : public testing::Test {
 protected:
  LogTest() {
    set_log([this](LogLevel level, std::string_view line) {
      levels.push_back(level);
      lines.emplace_back(line);
    });
  }
  ~LogTest() override { set_log({}); }

  using Lines = std::vector<std::string>;
  Lines lines;
  std::vector<LogLevel> levels;
};

TEST_F(LogTest, pieces_become_lines) {
  LogLines cut;
  cut.append(LogLevel::info, "");
  cut.append(LogLevel::info, "EAL: Det");
  cut.append(LogLevel::info, "ected");
  EXPECT_EQ(lines, Lines{});
  cut.append(LogLevel::warning, " two\n\nthree\nfo");
  EXPECT_EQ(lines, (Lines{"EAL: Detected two", "three"}));
  EXPECT_EQ(levels, (std::vector{LogLevel::warning, LogLevel::warning}));
  cut.append(LogLevel::error, "ur\n");
  EXPECT_EQ(lines.back(), "four");
  EXPECT_EQ(levels.back(), LogLevel::error);
}

TEST_F(LogTest, line_without_an_end_is_cut_at_4096) {
  LogLines cut;
  cut.append(LogLevel::info, std::string(10'000, 'x'));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], std::string(4'096, 'x'));
  cut.append(LogLevel::info, "\n");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[2], std::string(10'000 - 2 * 4'096, 'x'));
}

TEST_F(LogTest, ours_are_formatted) {
  log(LogLevel::info, "port {}: link {}", "wire", "up");
  EXPECT_EQ(lines, Lines{"port wire: link up"});
}

// Of a TAP at which nothing is wrong, by DPDK 22.11.
TEST_F(LogTest, what_a_driver_always_calls_an_error_is_none) {
  LogLines cut;
  cut.append(LogLevel::error,
             "tap_nl_dump_ext_ack(): Specified qdisc kind is unknown\n"
             "eth_dev_tap_create():  failed to create multiq qdisc.\n"
             "tap_nl_dump_ext_ack(): Device or resource busy\n");
  EXPECT_EQ(levels, (std::vector{LogLevel::debug, LogLevel::debug, LogLevel::error}));
}

TEST_F(LogTest, nothing_comes_after_the_end) {
  EXPECT_TRUE(log_line(LogLevel::info, "one"));
  set_log({});
  EXPECT_FALSE(log_line(LogLevel::info, "two"));
  EXPECT_EQ(lines, Lines{"one"});
}

TEST_F(LogTest, one_at_a_time_from_many_threads) {
  std::atomic<int> inside = 0;
  int calls = 0;
  set_log([&](LogLevel, std::string_view) {
    EXPECT_EQ(++inside, 1);
    ++calls;
    --inside;
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 500; ++i) log_line(LogLevel::info, "line");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(calls, 2'000);
}

}  // namespace
}  // namespace salut::io
