// Every enumerator that a user may meet has its word.
#include <gtest/gtest.h>

#include <set>

#include "salut/counters.hpp"
#include "salut/error.hpp"

namespace salut {
namespace {

TEST(Names, drops_are_named_once_and_explained) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < drop_count; ++i) {
    const auto drop = static_cast<Drop>(i);
    EXPECT_TRUE(names.insert(name(drop)).second) << name(drop);
    EXPECT_FALSE(sentence(drop).empty());
    EXPECT_EQ(sentence(drop).find('\n'), std::string_view::npos);
  }
  EXPECT_EQ(name(Drop::tcp_bad_checksum), "tcp_bad_checksum");
  EXPECT_EQ(sentence(Drop::tcp_bad_checksum), "TCP checksum is wrong");
  EXPECT_EQ(name(Drop::none), "none");
  EXPECT_EQ(name(Drop::count), "none");
}

TEST(Names, reasons_and_errors) {
  std::set<std::string_view> reasons;
  for (int i = 0; i <= static_cast<int>(Reason::overload); ++i) {
    EXPECT_TRUE(reasons.insert(name(static_cast<Reason>(i))).second);
  }
  EXPECT_FALSE(reasons.contains("unknown"));
  EXPECT_EQ(name(Reason::timed_out), "timed_out");
  EXPECT_EQ(name(static_cast<Reason>(99)), "unknown");
  std::set<std::string_view> errors;
  for (int i = 0; i <= static_cast<int>(Errc::stopped); ++i) {
    EXPECT_TRUE(errors.insert(describe(static_cast<Errc>(i))).second);
  }
  EXPECT_FALSE(errors.contains("unknown error"));
  // They are told of timers and listeners too, not of files and connections alone.
  EXPECT_EQ(describe(Errc::not_found), "what was named is not there");
  EXPECT_EQ(describe(Errc::overload), "a limit of the stack is reached");
}

}  // namespace
}  // namespace salut
