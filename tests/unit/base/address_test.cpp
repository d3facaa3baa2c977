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
            "\"10.0.0.300\" is not an IP address (want a.b.c.d, each 0..255, or x::y)");
}

// RFC 4291 §2.2 in, RFC 5952 out.
TEST(Address, ipv6_round_trip) {
  const char* texts[][2] = {
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"fd00::1", "fd00::1"},
      {"FE80::ABCD", "fe80::abcd"},
      {"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
      {"2001:0db8::0001", "2001:db8::1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // one group is not shortened
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // the longest run
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // the first of equal ones
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
      {"0:0:0:0:0:0:0:0", "::"},
      {"64:ff9b::10.0.0.1", "64:ff9b::a00:1"},
      {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
      {"::1:2", "::1:2"},  // not ::0.1.0.2
      {"::10.0.0.1", "::a00:1"},
      {"::ffff:0:0:1", "::ffff:0:0:1"},
      {"2001:db8::1:0:0", "2001:db8::1:0:0"},
      {"::ffff:10.0.0.1", "10.0.0.1"},  // a mapped address is the IPv4 address
      {"::ffff:a00:1", "10.0.0.1"},
  };
  for (const auto& [text, written] : texts) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), written);
    EXPECT_EQ(*IpAddress::parse(written), *address);
  }
  const IpAddress one = *IpAddress::parse("fd00::1");
  EXPECT_EQ(one, IpAddress::v6(0xfd00'0000'0000'0000, 1));
  EXPECT_TRUE(one.is_v6());
  EXPECT_FALSE(IpAddress::parse("::1")->is_any());
  EXPECT_TRUE(IpAddress::parse("::")->is_any());
  EXPECT_FALSE(IpAddress::parse("::")->is_v4());
  EXPECT_TRUE(IpAddress::parse("ff02::1")->is_multicast());
  EXPECT_TRUE(IpAddress::parse("febf::1")->is_link_local());
  EXPECT_FALSE(IpAddress::parse("fec0::1")->is_link_local());
}

TEST(Address, ipv6_refused) {
  for (const char* text : {":",
                           ":::",
                           "::1::",
                           "1::2::3",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1:2:3:4:5:6:7:8::",
                           "::1:2:3:4:5:6:7:8",
                           "12345::",
                           "g::1",
                           ":1::",
                           "1::2:",
                           "fd00::1/64",
                           "[fd00::1]",
                           "fd00::1%eth0",
                           "::10.0.0",
                           "::10.0.0.256",
                           "10.0.0.1::",
                           "1:10.0.0.1:2::",
                           " ::1",
                           "::1 ",
                           "::+1",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "::01.2.3.4",
                           "::00001"}) {
    EXPECT_NE(refusal(IpAddress::parse(text)), "taken") << text;
  }
}

// inet_pton() reads up to a zero byte.
TEST(Address, zero_byte_ends_nothing) {
  using namespace std::string_literals;
  EXPECT_FALSE(IpAddress::parse("10.0.0.1\0"s));
  EXPECT_FALSE(IpAddress::parse("10.0.0.1\0.2"s));
  EXPECT_FALSE(IpAddress::parse("::1\0"s));
  EXPECT_FALSE(IpAddress::parse("::1" + std::string(100, '1')));
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
            "\"10.0.0.1\" has no port (want a.b.c.d:port or [x::y]:port, port 1..65535)");
  EXPECT_EQ(refusal(Endpoint::parse("10.0.0.1:0")),
            "\"10.0.0.1:0\" does not end in a port (want 1..65535)");
}

TEST(Endpoint, ipv6) {
  for (const char* text : {"[fd00::1]:80", "[::]:1", "[2001:db8::2:1]:65535"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->to_string(), text);
  }
  EXPECT_EQ(Endpoint::parse("[fd00::1]:80")->address, *IpAddress::parse("fd00::1"));
  for (const char* text :
       {"fd00::1:80", "[fd00::1", "[fd00::1]", "[fd00::1]80", "[fd00::1]:0", "[fd00::1]x:80",
        "[]:80", "[10.0.0.1]:80", "fd00::1]:80", "[[::1]]:80"}) {
    EXPECT_NE(refusal(Endpoint::parse(text)), "taken") << text;
  }
  EXPECT_EQ(refusal(Endpoint::parse("fd00::1:80")),
            "\"fd00::1:80\" has no brackets round its IPv6 address (want [x::y]:port)");
}

TEST(Prefix, round_trip) {
  for (const char* text :
       {"10.0.0.1/24", "0.0.0.0/0", "1.2.3.4/32", "fd00::1/64", "::/0", "fd00::1/128"}) {
    const auto prefix = Prefix::parse(text);
    ASSERT_TRUE(prefix) << text;
    EXPECT_EQ(prefix->to_string(), text);
  }
  EXPECT_EQ(Prefix::parse("10.0.0.1")->length, 32);
  EXPECT_TRUE(Prefix::parse("10.0.0.1/24")->contains(IpAddress::v4(0x0a0000ff)));
  EXPECT_FALSE(Prefix::parse("10.0.0.1/24")->contains(IpAddress::v4(0x0a000100)));
}

TEST(Prefix, ipv6_contains_at_every_length) {
  const auto all_ones = IpAddress::v6(~std::uint64_t{0}, ~std::uint64_t{0});
  for (unsigned length = 0; length <= 128; ++length) {
    const Prefix prefix{all_ones, static_cast<std::uint8_t>(length)};
    for (unsigned bit = 0; bit < 128; ++bit) {
      IpAddress::Bytes bytes = all_ones.bytes();
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ 0x80 >> bit % 8);
      EXPECT_EQ(prefix.contains(IpAddress::from_bytes(bytes)), bit >= length);
    }
  }
  EXPECT_EQ(Prefix::parse("fd00::1")->length, 128);
  // Families do not mix, though IPv4 is mapped into IPv6.
  EXPECT_FALSE(Prefix::parse("::/0")->contains(IpAddress::v4(0x0a000001)));
  EXPECT_FALSE(Prefix::parse("0.0.0.0/0")->contains(*IpAddress::parse("fd00::1")));
}

TEST(Prefix, refused) {
  for (const char* text :
       {"fd00::1/129", "fd00::1/", "fd00::/064", "/64", "fd00::1/64/64", "", "/24", "10.0.0.1/",
        "10.0.0.1/33", "10.0.0.1/-1", "10.0.0.1/08", "10.0.0.1/24/8", "10.0.0/24"}) {
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

TEST(AddressRange, ipv6) {
  const auto prefix = AddressRange::parse("fd00:1::/112");
  ASSERT_TRUE(prefix);
  EXPECT_EQ(prefix->count, 65536u);
  EXPECT_EQ(prefix->to_string(), "fd00:1::/112");
  const auto pair = AddressRange::parse("fd00::1-fd00::ffff");
  ASSERT_TRUE(pair);
  EXPECT_EQ(pair->count, 65535u);
  EXPECT_EQ(pair->to_string(), "fd00::1-fd00::ffff");
  EXPECT_TRUE(pair->contains(*IpAddress::parse("fd00::ffff")));
  EXPECT_FALSE(pair->contains(*IpAddress::parse("fd00::1:0")));
  EXPECT_FALSE(pair->contains(IpAddress::v4(2)));
  EXPECT_EQ(AddressRange::parse("fd00::7")->to_string(), "fd00::7");
  EXPECT_EQ(AddressRange::parse("fd00::/97")->count, 0x80000000u);
}

TEST(AddressRange, refused) {
  for (const char* text :
       {"fd00::/96", "fd00::1/112", "::/0", "fd00::1-10.0.0.1", "fd00::9-fd00::1",
        "fd00::1-fd01::1", "fd00::1-", "fd00::-fd00::ffff:ffff", "", "-", "10.0.0.1-", "-10.0.0.1",
        "10.0.0.9-10.0.0.1", "0.0.0.0/0", "0.0.0.0-255.255.255.255", "10.0.0.1-9", "10.1.0.0/33"}) {
    EXPECT_NE(refusal(AddressRange::parse(text)), "taken") << text;
  }
  EXPECT_EQ(refusal(AddressRange::parse("10.1.2.3/16")),
            "\"10.1.2.3/16\" does not begin where its prefix does (want 10.1.0.0/16)");
}

TEST(Mac, round_trip_and_order) {
  const auto mac = Mac::parse("02:00:5e:A0:0f:ff");
  ASSERT_TRUE(mac);
  EXPECT_EQ(mac->to_string(), "02:00:5e:a0:0f:ff");
  EXPECT_FALSE(mac->is_group());
  EXPECT_TRUE(broadcast_mac.is_group());
  EXPECT_LT(*mac, broadcast_mac);
  EXPECT_TRUE(Mac{}.is_zero());
}

TEST(Mac, refused) {
  for (const char* text : {"", "02:00:00:00:00", "02:00:00:00:00:0", "02-00-00-00-00-01",
                           "02:00:00:00:00:0g", "02:00:00:00:00:01:", "0200:00:00:00:001"}) {
    EXPECT_NE(refusal(Mac::parse(text)), "taken") << text;
  }
  EXPECT_EQ(refusal(Mac::parse("eth0")),
            "\"eth0\" is not a MAC address (want six bytes, 02:00:00:00:00:01)");
}

}  // namespace
}  // namespace salut
