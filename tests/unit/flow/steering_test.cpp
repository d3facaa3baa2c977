#include "flow/steering.hpp"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "flow/source_ports.hpp"

namespace salut::flow {
namespace {

using Input = Steering::Input;

std::vector<std::uint16_t> table_of(unsigned entries, unsigned workers) {
  std::vector<std::uint16_t> table(entries);
  for (unsigned i = 0; i < entries; ++i) table[i] = static_cast<std::uint16_t>(i % workers);
  return table;
}

Address address(const std::string& text) { return Address::of(*IpAddress::parse(text)); }

Ends ends_of(const std::string& remote, std::uint16_t remote_port, const std::string& local,
             std::uint16_t local_port) {
  return {address(remote), address(local), net16(remote_port), net16(local_port)};
}

// The key and the hashes with which every vendor of network cards checks RSS.
constexpr Steering::SecretKey known_key = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

TEST(Steering, known_hashes) {
  struct Known {
    Ends ends;
    std::uint32_t hash;
  };
  const Known all[] = {
      {ends_of("66.9.149.187", 2794, "161.142.100.80", 1766), 0x51ccc178},
      {ends_of("199.92.111.2", 14230, "65.69.140.83", 4739), 0xc626b0ea},
      {ends_of("24.19.198.95", 12898, "12.22.207.184", 38024), 0x5c2b394a},
      {ends_of("38.27.205.30", 48228, "209.142.163.6", 2217), 0xafc7327f},
      {ends_of("153.39.163.191", 44251, "202.188.127.2", 1303), 0x10e828a2},
      {ends_of("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766), 0x40207d3d},
      {ends_of("3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739), 0xdde51bbf},
      {ends_of("3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024),
       0x02d1feef},
  };
  for (const unsigned entries : {64u, 128u, 512u, 2048u}) {
    const Steering steering(known_key, Input::received, table_of(entries, 4), 4);
    for (const Known& known : all) {
      EXPECT_EQ(steering.entry_of(known.ends), known.hash % entries);
      EXPECT_EQ(steering.worker_of(known.ends), known.hash % entries % 4);
    }
  }
}

TEST(Steering, both_ends_of_a_folded_flow_agree) {
  const auto key = Steering::make_key(7, Input::folded, 256);
  const Steering steering(key, Input::folded, table_of(256, 3), 3);
  for (std::uint16_t port = 1; port < 2'000; ++port) {
    for (const bool ip6 : {false, true}) {
      const Ends here =
          ip6 ? ends_of("fd00::1", port, "fd00::2", 80) : ends_of("10.0.0.1", port, "10.0.0.2", 80);
      const Ends there{here.local, here.remote, here.local_port, here.remote_port};
      ASSERT_EQ(steering.worker_of(here), steering.worker_of(there));
    }
  }
}

// Each of a worker's ports for a destination is its own, none comes twice, and no other's does.
TEST(Steering, ports_of_the_workers_are_home_and_disjoint) {
  for (const Input input : {Input::received, Input::folded}) {
    for (const unsigned workers : {2u, 3u, 7u}) {
      for (const bool ip6 : {false, true}) {
        SCOPED_TRACE(testing::Message() << "workers " << workers << " ip6 " << ip6);
        const auto key = Steering::make_key(11, input, 128);
        const Steering steering(key, input, table_of(128, workers), workers);
        Ends ends =
            ip6 ? ends_of("fd00::9", 443, "fd00::1", 0) : ends_of("192.0.2.9", 443, "10.0.0.1", 0);
        const unsigned base = steering.entry_of(ends);
        std::set<std::uint16_t> taken;
        for (unsigned worker = 0; worker < workers; ++worker) {
          const std::uint32_t count = steering.ports_of(worker);
          ASSERT_GT(count, 64'512 / workers * 9 / 10);
          for (std::uint32_t n = 0; n < count; ++n) {
            ends.local_port = steering.port(worker, base, ip6, n);
            ASSERT_GE(net16(ends.local_port), 1024);
            ASSERT_EQ(steering.worker_of(ends), worker);
            ASSERT_TRUE(taken.insert(ends.local_port).second);
          }
        }
      }
    }
  }
}

TEST(Steering, a_key_that_leaves_entries_out_of_reach_is_not_usable) {
  Steering::SecretKey zero = {};
  EXPECT_FALSE(Steering::usable(zero, Input::received, 128));
  EXPECT_TRUE(Steering::usable(known_key, Input::received, 128));
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    EXPECT_TRUE(Steering::usable(Steering::make_key(seed, Input::folded, 256), Input::folded, 256));
  }
}

TEST(Steering, a_worker_without_an_entry_has_no_ports) {
  const Steering steering(known_key, Input::received, std::vector<std::uint16_t>(128, 0), 2);
  EXPECT_GT(steering.ports_of(0), 60'000u);
  EXPECT_EQ(steering.ports_of(1), 0u);
}

// The whole space of a worker and then an error at once; all of it home.
TEST(SourcePortsAtHome, the_space_is_the_workers_share_and_ends_at_once) {
  constexpr unsigned workers = 4;
  const auto key = Steering::make_key(3, Input::received, 128);
  const Steering steering(key, Input::received, table_of(128, workers), workers);
  std::set<std::uint64_t> all;
  for (unsigned worker = 0; worker < workers; ++worker) {
    SourcePorts ports(worker + 1);
    ports.add_range(0, 0x0a000001, 2);
    ports.set_home(0, steering, worker);
    const LocalWish wish{.interface = 0};
    ASSERT_EQ(ports.space(wish), 2u * steering.ports_of(worker));
    std::set<std::uint64_t> mine;
    const auto in_use = [&](const Key& k, std::uint64_t) {
      return mine.contains(std::uint64_t{k.local_addr} << 16 | k.local_port);
    };
    Key chosen;
    for (std::uint64_t n = 0; n < ports.space(wish); ++n) {
      ASSERT_TRUE(ports.choose(net32(0xc6336401), net16(80), wish, in_use, chosen));
      ASSERT_EQ(steering.worker_of(chosen), worker);
      const std::uint64_t local = std::uint64_t{chosen.local_addr} << 16 | chosen.local_port;
      ASSERT_TRUE(mine.insert(local).second);
      ASSERT_TRUE(all.insert(local).second);
    }
    EXPECT_FALSE(ports.choose(net32(0xc6336401), net16(80), wish, in_use, chosen));
  }
}

TEST(SourcePortsAtHome, ip6_and_many_destinations) {
  constexpr unsigned workers = 3;
  const auto key = Steering::make_key(3, Input::folded, 256);
  const Steering steering(key, Input::folded, table_of(256, workers), workers);
  SourcePorts ports(9);
  ports.add_range6(5, *IpAddress::parse("fd00:1::"), 65'536);
  ports.set_home(5, steering, 2);
  const AddressFold fold(17);
  for (unsigned n = 0; n < 20'000; ++n) {
    AddressPair whole{Address::of(IpAddress::parse("fd00:2::")->plus(n % 977)), {}};
    const LocalWish wish{.interface = 5, .whole = &whole};
    const std::uint16_t port = net16(static_cast<std::uint16_t>(80 + n % 3));
    Key chosen;
    ASSERT_TRUE(ports.choose(
        fold(whole.remote), port, wish, [](const Key&, std::uint64_t) { return false; }, chosen));
    const Ends ends{whole.remote, ports.address6(net32(chosen.local_addr)), port,
                    chosen.local_port};
    ASSERT_EQ(steering.worker_of(ends), 2u);
  }
}

// Two addresses with one fold are two destinations.
TEST(SourcePortsAtHome, stand_ins_that_collide) {
  const auto key = Steering::make_key(3, Input::received, 128);
  const Steering steering(key, Input::received, table_of(128, 2), 2);
  SourcePorts ports(9);
  ports.add_range6(0, *IpAddress::parse("fd00:1::1"), 1);
  ports.set_home(0, steering, 1);
  for (const char* remote : {"fd00::1", "fd00::2", "fd00::3", "fd00::4", "fd00::5", "fd00::6"}) {
    AddressPair whole{address(remote), {}};
    const LocalWish wish{.interface = 0, .whole = &whole};
    Key chosen;
    ASSERT_TRUE(ports.choose(
        1234, net16(80), wish, [](const Key&, std::uint64_t) { return false; }, chosen));
    EXPECT_EQ(
        steering.worker_of({whole.remote, address("fd00:1::1"), net16(80), chosen.local_port}), 1u);
  }
}

}  // namespace
}  // namespace salut::flow
