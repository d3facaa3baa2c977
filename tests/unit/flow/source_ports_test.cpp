#include "flow/source_ports.hpp"

#include <gtest/gtest.h>

#include <set>
#include <unordered_set>
#include <vector>

namespace salut::flow {
namespace {

const std::uint32_t remote = net32(0xc6336401);
const std::uint16_t http = net16(80);
const auto never = [](const Key&, std::uint64_t) { return false; };
const auto always = [](const Key&, std::uint64_t) { return true; };

std::uint64_t local_of(const Key& key) {
  return std::uint64_t{net32(key.local_addr)} << 16 | net16(key.local_port);
}

TEST(SourcePorts, without_addresses_there_is_none) {
  SourcePorts ports(1);
  Key key;
  EXPECT_EQ(ports.space({.interface = 0}), 0u);
  EXPECT_FALSE(ports.choose(remote, http, {.interface = 0}, never, key));
}

TEST(SourcePorts, key_names_both_ends) {
  SourcePorts ports(1);
  ports.add_range(3, 0x0a000001, 1);
  Key key;
  ASSERT_TRUE(ports.choose(remote, http, {.interface = 3}, never, key));
  EXPECT_EQ(key.remote_addr, remote);
  EXPECT_EQ(key.remote_port, http);
  EXPECT_EQ(net32(key.local_addr), 0x0a000001u);
  EXPECT_GE(net16(key.local_port), 1024);
  EXPECT_FALSE(ports.choose(remote, http, {.interface = 0}, never, key));
}

TEST(SourcePorts, peek_shows_what_choose_will_try) {
  SourcePorts ports(5);
  ports.add_range(0, 0x0a000001, 7);
  for (unsigned i = 0; i < 1'000; ++i) {
    const Key later = ports.peek(remote, http, {.interface = 0}, 3);
    Key key;
    unsigned asked = 0;
    ASSERT_TRUE(ports.choose(
        remote, http, {.interface = 0}, [&](const Key&, std::uint64_t) { return asked++ < 3; },
        key));
    ASSERT_EQ(key, later);
  }
}

// The whole space of two ranges before anything comes back, and then all of it again.
TEST(SourcePorts, nothing_repeats_before_the_space_is_used) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SourcePorts ports(seed);
    ports.add_range(0, 0x0a000001, 2);
    ports.add_range(1, 0x0b000001, 5);
    ports.add_range(0, 0x0a000100, 1);
    const std::uint64_t space = ports.space({.interface = 0});
    ASSERT_EQ(space, 3u * 64512);
    for (unsigned round = 0; round < 2; ++round) {
      std::unordered_set<std::uint64_t> seen;
      for (std::uint64_t i = 0; i < space; ++i) {
        Key key;
        ASSERT_TRUE(ports.choose(remote, http, {.interface = 0}, never, key));
        ASSERT_TRUE(seen.insert(local_of(key)).second) << "after " << i;
        const std::uint32_t addr = net32(key.local_addr);
        ASSERT_TRUE(addr == 0x0a000001 || addr == 0x0a000002 || addr == 0x0a000100);
        ASSERT_GE(net16(key.local_port), 1024);
      }
    }
  }
}

// First choices for many destinations, and consecutive ones for one: chi-square over 63 bins.
TEST(SourcePorts, choices_are_uniform_and_not_sequential) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SourcePorts ports(seed);
    ports.add_range(0, 0x0a000001, 1);
    std::vector<unsigned> first(63), consecutive(63);
    unsigned neighbours = 0;
    int last = 0;
    constexpr unsigned samples = 16'128;
    for (unsigned i = 0; i < samples; ++i) {
      const Key other = ports.peek(net32(0x01000000 + i), http, {.interface = 0});
      ++first[(net16(other.local_port) - 1024u) / 1024];
      Key key;
      ASSERT_TRUE(ports.choose(remote, http, {.interface = 0}, never, key));
      const int port = net16(key.local_port);
      ++consecutive[(static_cast<unsigned>(port) - 1024) / 1024];
      neighbours += std::abs(port - last) <= 8 ? 1 : 0;
      last = port;
    }
    for (const auto* bins : {&first, &consecutive}) {
      double chi = 0;
      for (const unsigned n : *bins) chi += (n - 256.0) * (n - 256.0) / 256.0;
      EXPECT_LT(chi, 125);  // mean 62, more than five standard deviations
    }
    EXPECT_LT(neighbours, 30u);  // 4 are expected of a random sequence
  }
}

TEST(SourcePorts, seeds_and_destinations_have_sequences_of_their_own) {
  SourcePorts one(1), two(2);
  one.add_range(0, 0x0a000001, 1);
  two.add_range(0, 0x0a000001, 1);
  std::vector<std::uint64_t> a, b, c;
  for (unsigned i = 0; i < 20; ++i) {
    a.push_back(local_of(one.peek(remote, http, {.interface = 0}, i)));
    b.push_back(local_of(two.peek(remote, http, {.interface = 0}, i)));
    c.push_back(local_of(one.peek(remote, net16(81), {.interface = 0}, i)));
  }
  EXPECT_NE(a, b);
  EXPECT_NE(a, c);
}

TEST(SourcePorts, fixed_address_and_fixed_port_are_kept) {
  SourcePorts ports(9);
  ports.add_range(0, 0x0a000001, 50);
  Key key;
  const std::uint32_t addr = net32(0x0a000007);
  EXPECT_EQ(ports.space({.interface = 0, .addr = addr}), 64512u);
  ASSERT_TRUE(ports.choose(remote, http, {.interface = 0, .addr = addr}, never, key));
  EXPECT_EQ(key.local_addr, addr);
  EXPECT_EQ(ports.space({.interface = 0, .port = net16(20)}), 50u);
  ASSERT_TRUE(ports.choose(remote, http, {.interface = 0, .port = net16(20)}, never, key));
  EXPECT_EQ(net16(key.local_port), 20);
  const LocalWish both = {.interface = 0, .addr = addr, .port = net16(20)};
  EXPECT_EQ(ports.space(both), 1u);
  ASSERT_TRUE(ports.choose(remote, http, both, never, key));
  EXPECT_EQ(local_of(key), std::uint64_t{0x0a000007} << 16 | 20);
  EXPECT_FALSE(ports.choose(remote, http, both, always, key));
}

// A small space is searched to its end, wherever the walk begins.
TEST(SourcePorts, last_free_endpoint_of_a_small_space_is_found) {
  for (std::uint32_t count = 1; count <= 128; ++count) {
    SourcePorts ports(count);
    ports.add_range(0, 0x0a000000, count);
    const LocalWish wish = {.interface = 0, .port = net16(20)};
    std::set<std::uint64_t> used;
    const auto in_use = [&](const Key& k, std::uint64_t) { return used.contains(local_of(k)); };
    Key key;
    for (std::uint32_t i = 0; i < count; ++i) {
      ASSERT_TRUE(ports.choose(remote, http, wish, in_use, key)) << count;
      ASSERT_TRUE(used.insert(local_of(key)).second);
    }
    EXPECT_FALSE(ports.choose(remote, http, wish, in_use, key));
    const std::uint64_t freed = *used.begin();
    used.erase(freed);
    ASSERT_TRUE(ports.choose(remote, http, wish, in_use, key));
    EXPECT_EQ(local_of(key), freed);
  }
}

TEST(SourcePorts, exhaustion_is_an_error_after_128_tries) {
  SourcePorts ports(1);
  ports.add_range(0, 0x0a000000, 1 << 24);
  unsigned tries = 0;
  Key key;
  EXPECT_FALSE(ports.choose(
      remote, http, {.interface = 0},
      [&](const Key&, std::uint64_t) {
        ++tries;
        return true;
      },
      key));
  EXPECT_EQ(tries, 128u);
}

// Half of the space in use costs two candidates, not a scan.
TEST(SourcePorts, half_full_takes_two_candidates) {
  SourcePorts ports(4);
  ports.add_range(0, 0x0a000001, 1);
  std::unordered_set<std::uint64_t> used;
  Key key;
  for (unsigned i = 0; i < 32'256; ++i) {
    ASSERT_TRUE(ports.choose(remote, http, {.interface = 0}, never, key));
    used.insert(local_of(key));
  }
  ports.choose(net32(1), http, {.interface = 0}, never, key);
  unsigned tries = 0;
  for (unsigned i = 0; i < 1'000; ++i) {
    ASSERT_TRUE(ports.choose(
        net32(1), http, {.interface = 0},
        [&](const Key& k, std::uint64_t) {
          ++tries;
          return used.contains(local_of(k));
        },
        key));
  }
  EXPECT_NEAR(tries / 1000.0, 2.0, 0.25);
}

}  // namespace
}  // namespace salut::flow
