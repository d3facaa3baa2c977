// Is every row of the transition table raised by a test, and none that is said not to be?
//
// The program counts while all its tests run (tcp/raise.hpp), and at the end prints each row with
// its count. A run of some tests only (--gtest_filter) is not judged.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <type_traits>

#include "tcp/raise.hpp"
#include "tcp/tcb.hpp"

namespace salut::tcp {
namespace {

// One writer of the state: whoever else assigns it does not compile.
static_assert(!std::is_assignable_v<ConnectionState&, State>);
static_assert(!std::is_assignable_v<ConnectionState&, ConnectionState>);
static_assert(!std::is_constructible_v<ConnectionState, State>);

std::uint64_t count_of(const Row& row) {
  std::uint64_t count = 0;
  for (std::size_t s = 0; s < state_count; ++s) {
    if ((row.from >> s & 1) != 0) count += events_raised[s][static_cast<std::size_t>(row.on)];
  }
  return count;
}

std::string text_of(const Row& row) {
  std::string text;
  for (std::size_t s = 0; s < state_count; ++s) {
    if ((row.from >> s & 1) == 0) continue;
    if (!text.empty()) text += ' ';
    text += state_names[s];
  }
  return std::string(name(row.on)) + " in " + text;
}

class Rows : public testing::Environment {
 public:
  void TearDown() override {
    if (GTEST_FLAG_GET(filter) != "*" || GTEST_FLAG_GET(repeat) != 1) return;
    for (const Row& row : rows) {
      const std::uint64_t count = count_of(row);
      std::printf("[   ROW    ] %10llu  %s%s\n", static_cast<unsigned long long>(count),
                  text_of(row).c_str(), row.raised ? "" : " (no input raises it)");
      if (row.raised) {
        EXPECT_GT(count, 0u) << "no test raises " << text_of(row);
      } else {
        EXPECT_EQ(count, 0u) << "said not to be raised: " << text_of(row);
      }
    }
  }
};

const testing::Environment* const registered = testing::AddGlobalTestEnvironment(new Rows);

}  // namespace
}  // namespace salut::tcp
