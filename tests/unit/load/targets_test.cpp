// Ranges of destinations: what is read, and which is the nth.
#include "load/targets.hpp"

#include <gtest/gtest.h>

namespace salut::load {
namespace {

struct Range {
  const char* text;
  std::uint64_t size;
  const char* first;
  const char* last;
  const char* listens;  // at its last port
};

class TargetRange : public testing::TestWithParam<Range> {};

TEST_P(TargetRange, is_walked_from_its_first_to_its_last) {
  const Range& range = GetParam();
  const auto targets = Targets::parse(range.text);
  ASSERT_TRUE(targets) << targets.error().message;
  EXPECT_EQ(targets->size(), range.size);
  EXPECT_EQ(targets->at(0).to_string(), range.first);
  EXPECT_EQ(targets->at(range.size - 1).to_string(), range.last);
  EXPECT_EQ(targets->to_string(), range.text);
  EXPECT_EQ(targets->listen_at(targets->ports() - 1).to_string(), range.listens);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, TargetRange,
    testing::Values(
        Range{"10.0.0.1:80", 1, "10.0.0.1:80", "10.0.0.1:80", "10.0.0.1:80"},
        Range{"10.0.0.0/16:80", 65'536, "10.0.0.0:80", "10.0.255.255:80", "0.0.0.0:80"},
        Range{"10.0.0.1-10.0.0.9:80", 9, "10.0.0.1:80", "10.0.0.9:80", "0.0.0.0:80"},
        Range{"10.0.0.1:80-89", 10, "10.0.0.1:80", "10.0.0.1:89", "10.0.0.1:89"},
        Range{"10.0.0.0/30:65534-65535", 8, "10.0.0.0:65534", "10.0.0.3:65535", "0.0.0.0:65535"},
        Range{"[fd00::1]:80", 1, "[fd00::1]:80", "[fd00::1]:80", "[fd00::1]:80"},
        Range{"[fd00:2::/120]:80-89", 2'560, "[fd00:2::]:80", "[fd00:2::ff]:89", "[::]:89"},
        Range{"[fd00::1-fd00::9]:1", 9, "[fd00::1]:1", "[fd00::9]:1", "[::]:1"}));

TEST(Targets, all_ports_of_an_address_come_before_the_next_address) {
  const auto targets = Targets::parse("10.0.0.1-10.0.0.2:80-81");
  ASSERT_TRUE(targets);
  std::string all;
  for (std::uint64_t n = 0; n < targets->size(); ++n) all += targets->at(n).to_string() + ' ';
  EXPECT_EQ(all, "10.0.0.1:80 10.0.0.1:81 10.0.0.2:80 10.0.0.2:81 ");
}

TEST(Targets, what_is_no_range_is_refused) {
  for (const char* text : {"",
                           ":80",
                           "10.0.0.1",
                           "10.0.0.1:",
                           "10.0.0.1:0",
                           "10.0.0.1:65536",
                           "10.0.0.1:89-80",
                           "10.0.0.1:80-",
                           "10.0.0.1:-80",
                           "10.0.0.1:80-89-90",
                           "10.0.0.1:8o",
                           "10.0.0.1/16:80",
                           "10.0.0.9-10.0.0.1:80",
                           "10.0.0.1-fd00::1:80",
                           "fd00::1:80",
                           "[10.0.0.1]:80",
                           "[fd00::1:80",
                           "[fd00::1]80",
                           "[fd00::1]",
                           "[fd00::/64]:80",
                           "0.0.0.0/0:80",
                           "[fd00::9-fd00::1]:80",
                           "10.0.0.1:80 ",
                           "x:80"}) {
    EXPECT_FALSE(Targets::parse(text)) << text;
  }
}

}  // namespace
}  // namespace salut::load
