#include "load/advice.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace salut::load {
namespace {

struct Wanted {
  Failure failure;
  const char* key;  // that the line names
};

class AdviceFor : public testing::TestWithParam<Wanted> {};

TEST_P(AdviceFor, names_the_reason_and_what_to_change) {
  LoadTotals totals;
  totals.failures(GetParam().failure) = 3;
  const auto lines = advice(totals, StackConfig{});
  ASSERT_EQ(lines.size(), 1u);
  const auto reason = failure_names[static_cast<std::size_t>(GetParam().failure)].text;
  EXPECT_TRUE(lines[0].starts_with(std::string(reason) + ": ")) << lines[0];
  EXPECT_NE(lines[0].find(GetParam().key), std::string::npos) << lines[0];
}

INSTANTIATE_TEST_SUITE_P(Load, AdviceFor,
                         testing::Values(Wanted{Failure::no_port, "--local"},
                                         Wanted{Failure::no_slot, "stack.connections"},
                                         Wanted{Failure::time_wait_full, "stack.time_wait"},
                                         Wanted{Failure::saturated, "--rate"},
                                         Wanted{Failure::late, "--cores"},
                                         Wanted{Failure::overload, "stack.buffer_blocks"},
                                         Wanted{Failure::data_after_close, "--response"}));

// The server's own doing: nothing to configure here.
TEST(Advice, none_for_what_the_server_did) {
  LoadTotals totals;
  for (const Failure failure : {Failure::refused, Failure::reset, Failure::cut_short}) {
    totals.failures(failure) = 1;
  }
  EXPECT_TRUE(advice(totals, StackConfig{}).empty());
}

// docs/bench.md has the list once more, for who reads no source.
TEST(Failures, each_is_in_the_table_of_the_document) {
  std::ifstream file(SALUT_DOCS_DIRECTORY "/bench.md");
  const std::string document(std::istreambuf_iterator<char>(file), {});
  for (const FailureName& failure : failure_names) {
    const std::string row =
        fmt::format("\n| {} | `{}` | {} |\n", failure.text, failure.key, failure.sentence);
    EXPECT_NE(document.find(row), std::string::npos) << row;
  }
}

}  // namespace
}  // namespace salut::load
