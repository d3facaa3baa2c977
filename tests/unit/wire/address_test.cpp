// Addresses, endpoints, prefixes, ranges and MACs as text: what is taken, what is refused, and
// that a refusal gives the value and what would be right, on one line.
#include "salut/address.hpp"

#include <gtest/gtest.h>

#include "wire/headers.hpp"

namespace salut {
namespace {

template <typename T>
std::string refusal(const Result<T>& result, Errc code = Errc::invalid_argument) {
  if (result) return "taken";
  EXPECT_EQ(result.error().code, code);
  EXPECT_EQ(result.error().message.find('\n'), std::string::npos);
  return result.error().message;
}

TEST(Address, round_trip) {
  for (const char* text : {"0.0.0.0", "10.0.0.1", "255.255.255.255", "1.20.255.0"}) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
  EXPECT_EQ(IpAddress::parse("10.0.0.1")->v4(), 0x0a000001u);
  EXPECT_TRUE(IpAddress::parse("0.0.0.0")->is_any());
}

TEST(Address, refused) {
  for (const char* text : {"",
                           ".",
                           "...",
                           "10.0.0",
                           "10.0.0.1.2",
                           "10.0.0.256",
                           "10.0.0.-1",
                           "10.0.0.+1",
                           "010.0.0.1",
                           "10.0.0.01",
                           " 10.0.0.1",
                           "10.0.0.1 ",
                           "10..0.1",
                           "a.b.c.d",
                           "10.0.0.0x1",
                           "10.0.0.1:80",
                           "10.0.0.1/8",
                           "167772161",
                           "10.0.0.4294967297",
                           "10.0.0.1\n"}) {
    EXPECT_NE(refusal(IpAddress::parse(text)), "taken") << text;
  }
  EXPECT_EQ(refusal(IpAddress::parse("10.0.0.300")),
            "\"10.0.0.300\" is not an IPv4 address (want a.b.c.d, each 0..255)");
}

TEST(Address, ipv6_is_unsupported_and_says_so) {
  const std::string want = "\"fe80::1\" is IPv6, which is not built yet (want IPv4: a.b.c.d)";
  EXPECT_EQ(refusal(IpAddress::parse("fe80::1"), Errc::unsupported), want);
  EXPECT_NE(refusal(Endpoint::parse("[::1]:80"), Errc::unsupported), "taken");
  EXPECT_NE(refusal(Prefix::parse("2001:db8::/32"), Errc::unsupported), "taken");
  EXPECT_NE(refusal(AddressRange::parse("::1-::9"), Errc::unsupported), "taken");
}

TEST(Address, message_stays_on_one_short_line) {
  const std::string bad = "1.2\n.3\x1b[31m" + std::string(500, 'x');
  const std::string message = refusal(IpAddress::parse(bad));
  EXPECT_LT(message.size(), 130u);
  for (char c : message) EXPECT_TRUE(c >= ' ' && c <= '~');
}

TEST(Endpoint, round_trip) {
  for (const char* text : {"10.0.0.1:80", "0.0.0.0:1", "1.2.3.4:65535"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->to_string(), text);
  }
  EXPECT_EQ(Endpoint::parse("10.0.0.1:8080")->port, 8080);
}

TEST(Endpoint, refused) {
  for (const char* text : {"", ":", ":80", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536",
                           "10.0.0.1:080", "10.0.0.1:+80", "10.0.0.1:http", "10.0.0:80"}) {
    EXPECT_NE(refusal(Endpoint::parse(text)), "taken") << text;
  }
  EXPECT_EQ(refusal(Endpoint::parse("10.0.0.1")),
            "\"10.0.0.1\" has no port (want a.b.c.d:port, port 1..65535)");
  EXPECT_EQ(refusal(Endpoint::parse("10.0.0.1:0")),
            "\"10.0.0.1:0\" does not end in a port (want 1..65535)");
}

TEST(Prefix, round_trip) {
  for (const char* text : {"10.0.0.1/24", "0.0.0.0/0", "1.2.3.4/32"}) {
    const auto prefix = Prefix::parse(text);
    ASSERT_TRUE(prefix) << text;
    EXPECT_EQ(prefix->to_string(), text);
  }
  EXPECT_EQ(Prefix::parse("10.0.0.1")->length, 32);
  EXPECT_TRUE(Prefix::parse("10.0.0.1/24")->contains(IpAddress::v4(0x0a0000ff)));
  EXPECT_FALSE(Prefix::parse("10.0.0.1/24")->contains(IpAddress::v4(0x0a000100)));
}

TEST(Prefix, refused) {
  for (const char* text : {"", "/24", "10.0.0.1/", "10.0.0.1/33", "10.0.0.1/-1", "10.0.0.1/08",
                           "10.0.0.1/24/8", "10.0.0/24"}) {
    EXPECT_NE(refusal(Prefix::parse(text)), "taken") << text;
  }
}

TEST(AddressRange, prefix_pair_and_single) {
  const auto prefix = AddressRange::parse("10.1.0.0/16");
  ASSERT_TRUE(prefix);
  EXPECT_EQ(prefix->count, 65536u);
  EXPECT_EQ(prefix->to_string(), "10.1.0.0/16");
  const auto pair = AddressRange::parse("10.0.0.1-10.0.0.9");
  ASSERT_TRUE(pair);
  EXPECT_EQ(pair->count, 9u);
  EXPECT_EQ(pair->to_string(), "10.0.0.1-10.0.0.9");
  EXPECT_TRUE(pair->contains(IpAddress::v4(0x0a000009)));
  EXPECT_FALSE(pair->contains(IpAddress::v4(0x0a00000a)));
  const auto single = AddressRange::parse("10.0.0.7");
  ASSERT_TRUE(single);
  EXPECT_EQ(single->count, 1u);
  EXPECT_EQ(single->to_string(), "10.0.0.7");
  EXPECT_EQ(AddressRange::parse("128.0.0.0/1")->count, 0x80000000u);
}

TEST(AddressRange, refused) {
  for (const char* text : {"", "-", "10.0.0.1-", "-10.0.0.1", "10.0.0.9-10.0.0.1", "0.0.0.0/0",
                           "0.0.0.0-255.255.255.255", "10.0.0.1-9", "10.1.0.0/33"}) {
    EXPECT_NE(refusal(AddressRange::parse(text)), "taken") << text;
  }
  EXPECT_EQ(refusal(AddressRange::parse("10.1.2.3/16")),
            "\"10.1.2.3/16\" does not begin where its prefix does (want 10.1.0.0/16)");
}

TEST(Mac, round_trip_and_order) {
  const auto mac = wire::Mac::parse("02:00:5e:A0:0f:ff");
  ASSERT_TRUE(mac);
  EXPECT_EQ(mac->to_string(), "02:00:5e:a0:0f:ff");
  EXPECT_FALSE(mac->is_group());
  EXPECT_TRUE(wire::broadcast_mac.is_group());
  EXPECT_LT(*mac, wire::broadcast_mac);
  EXPECT_TRUE(wire::Mac{}.is_zero());
}

TEST(Mac, refused) {
  for (const char* text : {"", "02:00:00:00:00", "02:00:00:00:00:0", "02-00-00-00-00-01",
                           "02:00:00:00:00:0g", "02:00:00:00:00:01:", "0200:00:00:00:001"}) {
    EXPECT_NE(refusal(wire::Mac::parse(text)), "taken") << text;
  }
  EXPECT_EQ(refusal(wire::Mac::parse("eth0")),
            "\"eth0\" is not a MAC address (want six bytes, 02:00:00:00:00:01)");
}

}  // namespace
}  // namespace salut
