// Which addresses a host may have, alone and in a range.
#include "base/limits.hpp"

#include <gtest/gtest.h>

namespace salut::test {
namespace {

AddressRange range(const char* text) {
  const auto read = AddressRange::parse(text);
  EXPECT_TRUE(read) << text;
  return read.value_or(AddressRange{});
}

TEST(Hosts, edges_of_what_no_host_may_have) {
  for (const char* text : {"1.0.0.0", "126.255.255.255", "128.0.0.0", "223.255.255.255", "::1:0:0",
                           "fe80::1", "feff::1", "fd00::1"}) {
    EXPECT_TRUE(is_unicast(*IpAddress::parse(text))) << text;
  }
  for (const char* text : {"0.0.0.0", "0.255.255.255", "127.0.0.0", "127.255.255.255", "224.0.0.0",
                           "255.255.255.255", "::", "::1", "::ffff", "ff00::", "ff02::1"}) {
    EXPECT_FALSE(is_unicast(*IpAddress::parse(text))) << text;
  }
}

TEST(Hosts, range_with_such_a_block_at_an_end_or_between_its_ends) {
  for (const char* text : {"1.0.0.0-126.255.255.255", "128.0.0.0-223.255.255.255", "10.0.0.0/8",
                           "fd00::/112", "fe80::1-fe80::ffff"}) {
    EXPECT_TRUE(is_of_hosts(range(text))) << text;
  }
  for (const char* text : {"126.0.0.0-128.0.0.0", "1.0.0.0-223.255.255.255", "126.0.0.0-127.0.0.0",
                           "127.255.255.255-128.0.0.0", "223.0.0.0-224.0.0.0", "0.0.0.0-1.0.0.0",
                           "::ffff-::1:0:0", "ff00::/112"}) {
    EXPECT_FALSE(is_of_hosts(range(text))) << text;
  }
}

}  // namespace
}  // namespace salut::test
