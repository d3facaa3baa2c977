// What lies below TCP, seen from an engine: neighbour discovery, routes, VLAN, listeners of both
// families.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "below.hpp"
#include "ip/routes.hpp"
#include "tcp/addresses.hpp"
#include "tcp/lifecycle.hpp"

namespace salut::test {
namespace {

using wire::test::Bytes;
using wire::test::other_mac;
using wire::test::our_ip6;
using wire::test::peer_ip6;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }
Prefix prefix(const char* text) { return *Prefix::parse(text); }

// --- routes, against going through all of them -------------------------------------------------

struct Configured {
  Prefix to;
  std::uint16_t port;
  IpAddress via;
};

// The longest that has it, the first of equals.
const Configured* longest(const std::vector<Configured>& all, const IpAddress& address) {
  const Configured* best = nullptr;
  for (const Configured& one : all) {
    const bool longer = best == nullptr || one.to.length > best->to.length;
    if (one.to.contains(address) && longer) best = &one;
  }
  return best;
}

IpAddress random_address(std::mt19937_64& rng, bool v4) {
  // Few values per byte, so that prefixes nest and collide.
  const auto byte = [&] {
    constexpr std::uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
    return std::uint64_t{values[rng() % 5]};
  };
  std::uint64_t high = 0, low = 0;
  for (int i = 0; i < 8; ++i) high = high << 8 | byte(), low = low << 8 | byte();
  return v4 ? IpAddress::v4(static_cast<std::uint32_t>(low)) : IpAddress::v6(high | 1, low);
}

TEST(Routes, random_prefixes_of_both_families_against_an_oracle) {
  std::mt19937_64 rng(11);
  for (int round = 0; round < 60; ++round) {
    ip::Routes routes;
    std::vector<Configured> all;
    const std::size_t count = rng() % 60;
    for (std::size_t i = 0; i < count; ++i) {
      const bool v4 = rng() % 2 == 0;
      Prefix to{random_address(rng, v4), static_cast<std::uint8_t>(rng() % (v4 ? 33 : 129))};
      to.address = to.first();
      const IpAddress via = rng() % 2 == 0 ? (v4 ? IpAddress{} : IpAddress::any_v6())
                            : v4           ? IpAddress::v4(static_cast<std::uint32_t>(i) + 1)
                                           : IpAddress::v6(0xfd00'0000'0000'0000, i + 1);
      all.push_back({to, static_cast<std::uint16_t>(i), via});
      routes.add(to, static_cast<std::uint16_t>(i), via);
    }
    routes.build();
    for (int i = 0; i < 2000; ++i) {
      IpAddress address = random_address(rng, rng() % 2 == 0);
      // At the ends of a prefix and beside them.
      if (!all.empty() && rng() % 2 == 0) {
        const Prefix& near = all[rng() % all.size()].to;
        address = rng() % 2 == 0 ? near.first() : near.last();
        if (rng() % 3 == 0) address = address.plus(address.is_v4() ? 0 : 1);
      }
      const Configured* want = longest(all, address);
      const auto got = routes.find(Address::of(address));
      ASSERT_EQ(got.has_value(), want != nullptr) << address.to_string();
      if (want == nullptr) continue;
      ASSERT_EQ(got->port, want->port) << address.to_string();
      ASSERT_EQ(got->next_hop.ip(), want->via.is_any() ? address : want->via);
    }
  }
}

// --- an engine with interfaces of its own ------------------------------------------------------

IpAddress address_in(const Bytes& bytes, std::size_t at) {
  IpAddress::Bytes raw;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), 16, raw.begin());
  return IpAddress::from_bytes(raw);
}
constexpr std::size_t source_at = 22, destination_at = 38, type_at = 54, target_at = 62;

TEST(Discovery, solicitation_for_us_is_answered_to_who_asked) {
  Below b(both_families());
  b.send(wire::test::ndp_packet(135));
  const Bytes answer = b.take();
  EXPECT_EQ(answer[type_at], 136);
  EXPECT_EQ(answer[type_at + 4], 0x60) << "solicited, override";
  EXPECT_EQ(address_in(answer, source_at), our_ip6);
  EXPECT_EQ(address_in(answer, destination_at), peer_ip6);
  EXPECT_EQ(address_in(answer, target_at), our_ip6);
  EXPECT_TRUE(std::equal(peer_mac.bytes.begin(), peer_mac.bytes.end(), answer.begin()));
  EXPECT_TRUE(b.sent.empty());
}

TEST(Discovery, duplicate_address_detection_of_ours_is_answered_to_all) {
  Below b(both_families());
  Bytes probe = wire::test::ndp_packet(135, false);
  std::fill_n(probe.begin() + source_at, 16, std::uint8_t{0});
  wire::test::fix_checksums_6(probe);
  b.send(probe);
  const Bytes answer = b.take();
  EXPECT_EQ(answer[type_at + 4], 0x20) << "override, not solicited";
  EXPECT_EQ(address_in(answer, destination_at), ip("ff02::1"));
  EXPECT_EQ(answer[0], 0x33);
  EXPECT_EQ(answer[5], 0x01);
}

TEST(Discovery, solicitation_for_another_is_left_alone) {
  Below b(both_families());
  Bytes other = wire::test::ndp_packet(135);
  other[target_at + 15] = 9;
  wire::test::fix_checksums_6(other);
  b.send(other);
  EXPECT_TRUE(b.sent.empty());
  EXPECT_EQ(b.drops(Drop::ndp_not_for_us), 1u);
}

TEST(Discovery, link_local_address_comes_with_the_first_ipv6_one) {
  Below b(both_families());
  EXPECT_TRUE(b.engine().context().interfaces.is_local(Address::of(ip("fe80::ff:fe00:1"))));
  ip::Interface v4;
  v4.addresses = {prefix("10.0.0.1/24")};
  Below without(v4);
  EXPECT_FALSE(without.engine().context().interfaces.has_ip6());
  without.send(wire::test::tcp_packet_6({.flags = wire::syn}));
  EXPECT_TRUE(without.sent.empty());
  EXPECT_EQ(without.drops(Drop::ip_not_for_us), 1u);
}

TEST(Discovery, connect_asks_the_solicited_node_address_and_sends_when_answered) {
  Below b(both_families());
  ASSERT_TRUE(b.engine().connect({peer_ip6, 80}, {}, 0, b.now()));
  b.settle();
  const Bytes asked = b.take();
  EXPECT_EQ(asked[type_at], 135);
  EXPECT_EQ(asked[21], 255);
  EXPECT_EQ(address_in(asked, source_at), our_ip6);
  EXPECT_EQ(address_in(asked, destination_at), ip("ff02::1:ff00:2"));
  const Bytes group = {0x33, 0x33, 0xff, 0, 0, 2};
  EXPECT_TRUE(std::equal(group.begin(), group.end(), asked.begin()));
  EXPECT_TRUE(b.sent.empty()) << "the SYN waits";
  b.send(wire::test::ndp_packet(136));
  const Bytes syn = b.take();
  EXPECT_EQ(syn[20], 6);
  EXPECT_EQ(syn[54 + 13], wire::syn);
  EXPECT_TRUE(std::equal(peer_mac.bytes.begin(), peer_mac.bytes.end(), syn.begin()));
}

TEST(Discovery, nobody_answers_unreachable) {
  Below b(both_families());
  ASSERT_TRUE(b.engine().connect({peer_ip6, 80}, {}, 0, b.now()));
  b.advance(4s);
  ASSERT_EQ(b.events.size(), 1u);
  EXPECT_EQ(b.events[0].reason, Reason::unreachable);
  int asked = 0;
  for (const Bytes& bytes : b.sent) asked += bytes[20] == 58 && bytes[type_at] == 135 ? 1 : 0;
  EXPECT_EQ(asked, 3);
}

TEST(Discovery, advertisement_without_override_does_not_take_a_station_s_place) {
  Below b(both_families());
  b.send(wire::test::ndp_packet(135));
  auto& neighbours = b.engine().context().interfaces.neighbours();
  const std::uint16_t index = neighbours.find(0, Address::of(peer_ip6));
  ASSERT_NE(index, ip::Neighbours::none);
  Bytes other = wire::test::ndp_packet(136);
  std::copy(other_mac.bytes.begin(), other_mac.bytes.end(), other.begin() + 80);
  other[type_at + 4] = 0x40;
  wire::test::fix_checksums_6(other);
  b.send(other);
  EXPECT_EQ(neighbours.mac(index), peer_mac);
  other[type_at + 4] = 0x60;
  wire::test::fix_checksums_6(other);
  b.send(other);
  EXPECT_EQ(neighbours.mac(index), other_mac);
}

TEST(Echo, of_ipv6_is_answered_for_our_addresses_only) {
  Below b(both_families());
  b.send(wire::test::echo_packet_6(9));
  EXPECT_EQ(b.take()[type_at], 129);
  Bytes other = wire::test::echo_packet_6(9);
  other[destination_at + 15] = 9;
  wire::test::fix_checksums_6(other);
  b.send(other);
  EXPECT_TRUE(b.sent.empty());
  EXPECT_EQ(b.drops(Drop::ip_not_for_us), 1u);
}

TEST(Echo, to_the_mac_of_a_group_is_answered_from_ours) {
  Below b(both_families());
  Bytes request = wire::test::echo_packet_6(9);
  const Bytes group = {0x33, 0x33, 0xff, 0, 0, 1};
  std::copy(group.begin(), group.end(), request.begin());
  b.send(request);
  const Bytes reply = b.take();
  ASSERT_EQ(reply[type_at], 129);
  EXPECT_TRUE(std::equal(our_mac.bytes.begin(), our_mac.bytes.end(), reply.begin() + 6));
}

// --- listeners ---------------------------------------------------------------------------------

// The family of what answers a SYN: 4, 6 or 0; "R" if it is a reset.
std::string answer_to(Below& b, bool ip6, std::uint16_t port) {
  static unsigned from = 30'000;
  const wire::test::TcpSpec spec{
      .source_port = ++from, .destination_port = port, .ack = 0, .flags = wire::syn};
  b.send(ip6 ? wire::test::ndp_packet(135) : wire::test::arp_packet(1));
  b.sent.clear();
  b.send(ip6 ? wire::test::tcp_packet_6(spec) : wire::test::tcp_packet(spec));
  if (b.sent.empty()) return "nothing";
  const Bytes bytes = b.take();
  const bool six = bytes[12] == 0x86;
  EXPECT_EQ(six, ip6);
  return (bytes[(six ? 54u : 34u) + 13] & wire::rst) != 0 ? "reset" : "answered";
}

TEST(Listeners, any_of_ipv4_any_of_both_and_one_address) {
  Below b(both_families());
  ASSERT_TRUE(b.engine().listen({IpAddress{}, 80}, 9));
  ASSERT_TRUE(b.engine().listen({IpAddress::any_v6(), 81}, 9));
  ASSERT_TRUE(b.engine().listen({our_ip6, 82}, 9));
  EXPECT_EQ(answer_to(b, false, 80), "answered");
  EXPECT_EQ(answer_to(b, true, 80), "reset");
  EXPECT_EQ(answer_to(b, false, 81), "answered");
  EXPECT_EQ(answer_to(b, true, 81), "answered");
  EXPECT_EQ(answer_to(b, false, 82), "reset");
  EXPECT_EQ(answer_to(b, true, 82), "answered");
}

TEST(Listeners, the_most_exact_one_takes_the_connection) {
  HeapMemory memory;
  flow::Listeners listeners(memory);
  const auto any6 = listeners.add(Address::of(IpAddress::any_v6()), 80, 1);
  const auto exact6 = listeners.add(Address::of(our_ip6), 80, 1);
  const auto any4 = listeners.add(Address::v4(0), 80, 1);
  const auto exact4 = listeners.add(Address::of(ip("10.0.0.1")), 80, 1);
  EXPECT_EQ(listeners.find(Address::of(ip("10.0.0.1")), 80), exact4);
  EXPECT_EQ(listeners.find(Address::of(ip("10.0.0.2")), 80), any4);
  EXPECT_EQ(listeners.find(Address::of(our_ip6), 80), exact6);
  EXPECT_EQ(listeners.find(Address::of(peer_ip6), 80), any6);
  listeners.remove(any4);
  EXPECT_EQ(listeners.find(Address::of(ip("10.0.0.2")), 80), any6);
}

// --- active opens ------------------------------------------------------------------------------

TEST(Sources, ranges_of_ipv6_are_what_connections_come_from) {
  ip::Interface interface = both_families();
  interface.ranges = {*AddressRange::parse("fd00:1::/120"), *AddressRange::parse("fd00:2::5")};
  interface.gateway6 = peer_ip6;
  Below b(interface);
  b.send(wire::test::ndp_packet(135));
  std::set<std::string> addresses;
  std::set<std::pair<std::string, std::uint16_t>> ends;
  for (int i = 0; i < 60; ++i) {
    const auto made = b.engine().connect({ip("2001:db8::1"), 80}, {}, 0, b.now());
    ASSERT_TRUE(made);
    const auto info = b.engine().info(*made);
    ASSERT_TRUE(info);
    const bool ours = interface.ranges[0].contains(info->local.address) ||
                      interface.ranges[1].contains(info->local.address);
    EXPECT_TRUE(ours) << info->local.to_string();
    EXPECT_EQ(info->remote.to_string(), "[2001:db8::1]:80");
    addresses.insert(info->local.address.to_string());
    EXPECT_TRUE(ends.emplace(info->local.address.to_string(), info->local.port).second);
    EXPECT_EQ(info->mss, 1440u);
  }
  EXPECT_GT(addresses.size(), 30u);
}

TEST(Sources, families_do_not_mix) {
  Below b(both_families());
  const auto error = [&](const IpAddress& to, const IpAddress& from) {
    return b.engine().connect({to, 80}, {from, 0}, 0, b.now()).error();
  };
  EXPECT_EQ(error(peer_ip6, ip("10.0.0.1")), Errc::invalid_argument);
  EXPECT_EQ(error(ip("10.0.0.2"), our_ip6), Errc::invalid_argument);
  EXPECT_EQ(error(ip("fd77::1"), IpAddress{}), Errc::no_route);
  EXPECT_EQ(error(IpAddress::any_v6(), IpAddress{}), Errc::invalid_argument);
}

TEST(Sources, whom_only_the_link_reaches_hears_from_a_link_local_address) {
  Below b(both_families());
  const auto made = b.engine().connect({ip("fe80::9"), 80}, {}, 0, b.now());
  ASSERT_TRUE(made);
  EXPECT_EQ(b.engine().info(*made)->local.address, ip("fe80::ff:fe00:1"));
  b.settle();
  EXPECT_EQ(address_in(b.take(), source_at), ip("fe80::ff:fe00:1"));
}

TEST(Gateways, longest_prefix_then_route_then_gateway_decides_who_is_asked) {
  ip::Interface interface = both_families();
  interface.gateway6 = ip("fd00::fe");
  interface.routes = {{prefix("fd02::/32"), ip("fd00::aa")},
                      {prefix("fd02:0:1::/48"), ip("fd00::bb")},
                      {prefix("10.2.0.0/16"), ip("10.0.0.77")}};
  Below b(interface);
  const auto asked_for = [&](const char* to) {
    b.sent.clear();
    EXPECT_TRUE(b.engine().connect({ip(to), 80}, {}, 0, b.now()));
    b.settle();
    const Bytes bytes = b.take();
    return bytes[12] == 0x86
               ? address_in(bytes, target_at).to_string()
               : IpAddress::v4(wire::test::get16(bytes, 38) << 16 | wire::test::get16(bytes, 40))
                     .to_string();
  };
  EXPECT_EQ(asked_for("2001:db8::1"), "fd00::fe");
  EXPECT_EQ(asked_for("fd02::1"), "fd00::aa");
  EXPECT_EQ(asked_for("fd02:0:1::1"), "fd00::bb");
  EXPECT_EQ(asked_for("fd00::33"), "fd00::33");
  EXPECT_EQ(asked_for("10.2.9.9"), "10.0.0.77");
}

// --- VLAN --------------------------------------------------------------------------------------

TEST(Vlan, frames_of_the_vlan_come_in_and_go_out_tagged_others_are_dropped) {
  ip::Interface interface = both_families();
  interface.vlan = 100;
  Below b(interface);
  const Bytes echo = wire::test::echo_packet(20);
  b.send(tagged(echo, 0xe000 | 100));  // whatever its priority
  const Bytes answer = b.take();
  EXPECT_EQ(answer.size(), echo.size() + 4);
  EXPECT_EQ(wire::test::get16(answer, 12), 0x8100u);
  EXPECT_EQ(wire::test::get16(answer, 14), 100u);
  EXPECT_EQ(wire::test::get16(answer, 16), 0x0800u);
  EXPECT_EQ(answer[18 + 20], 0) << "an echo reply";
  b.send(echo);
  b.send(tagged(echo, 101));
  b.send(Bytes(17));
  EXPECT_TRUE(b.sent.empty());
  EXPECT_EQ(b.drops(Drop::vlan_other), 3u);
  b.send(tagged(wire::test::ndp_packet(135), 100));
  const Bytes advertisement = b.take();
  EXPECT_EQ(wire::test::get16(advertisement, 16), 0x86ddu);
  EXPECT_EQ(advertisement[58], 136);
}

TEST(Vlan, tagged_frame_without_a_vlan_is_dropped) {
  Below b(both_families());
  b.send(tagged(wire::test::echo_packet(20), 100));
  EXPECT_TRUE(b.sent.empty());
  EXPECT_EQ(b.drops(Drop::ether_type_unknown), 1u);
}

// IEEE 802.1Q §6.9: a tag of VLAN 0 gives a priority and no VLAN.
TEST(Vlan, priority_tagged_frame_is_an_untagged_one) {
  Below b(both_families());
  for (const unsigned tag : {0x0000u, 0xe000u, 0x1000u}) {
    b.send(tagged(wire::test::echo_packet(20), tag));
    EXPECT_EQ(b.take().size(), wire::test::echo_packet(20).size());
    b.send(tagged(wire::test::echo_packet_6(20), tag));
    EXPECT_EQ(b.take()[type_at], 129);
    b.send(tagged(wire::test::arp_packet(1), tag));
    EXPECT_EQ(wire::test::get16(b.take(), 20), 2u);
    b.send(tagged(wire::test::syn_packet(), tag));
    EXPECT_EQ(b.take()[47] & wire::rst, wire::rst) << "nobody listens";
  }
  EXPECT_TRUE(b.sent.empty());
  b.send(tagged(tagged(wire::test::echo_packet(20), 0), 0));
  Bytes cut = tagged(wire::test::echo_packet(20), 0);
  cut.resize(17);
  b.send(cut);
  EXPECT_TRUE(b.sent.empty());
  EXPECT_EQ(b.drops(Drop::ether_type_unknown), 2u);
}

// A buffer that is answered in goes over wires of this process again and again.
TEST(Vlan, buffer_is_as_long_after_a_tag_as_before) {
  struct Echo final : Device {
    explicit Echo(FramePool& pool) : pool_(pool) {}
    unsigned receive(Frame* frames, unsigned) override {
      if (request.empty() || !pool_.acquire(frames, 1)) return 0;
      at = frames[0].data;
      room = frames[0].room;
      std::memcpy(frames[0].data, request.data(), request.size());
      frames[0].length = static_cast<std::uint16_t>(request.size());
      request.clear();
      return 1;
    }
    unsigned transmit(const Frame* frames, unsigned count) override {
      for (unsigned i = 0; i < count; ++i) {
        ++answers;
        EXPECT_EQ(frames[i].data, at);
        EXPECT_EQ(frames[i].room, room);
      }
      pool_.release(frames, count);
      return count;
    }
    FramePool& pool_;
    Bytes request;
    const std::byte* at = nullptr;
    unsigned room = 0, answers = 0;
  };
  for (const std::uint16_t vlan : std::initializer_list<std::uint16_t>{0, 100}) {
    sim::Pool pool(16);
    HeapMemory memory;
    Echo device(pool);
    ip::Interface interface = both_families();
    interface.device = &device;
    interface.mac = our_mac;
    interface.vlan = vlan;
    stack::Engine engine(small_config(), {interface}, pool, memory, 7, 0, Instant{1s});
    device.request = tagged(wire::test::echo_packet(20), vlan);
    engine.poll(Instant{1s});
    engine.poll(Instant{1s});
    EXPECT_EQ(device.answers, 1u);
  }
}

TEST(Vlan, priority_tagged_frame_is_dropped_by_a_vlan_as_an_untagged_one) {
  ip::Interface interface = both_families();
  interface.vlan = 100;
  Below b(interface);
  b.send(tagged(wire::test::echo_packet(20), 0));
  EXPECT_TRUE(b.sent.empty());
  EXPECT_EQ(b.drops(Drop::vlan_other), 1u);
}

// --- keys that collide -------------------------------------------------------------------------

// Folds are 32 bits: two peers may have one key. Only the whole addresses tell them apart.
TEST(Folded, connections_with_one_key_are_told_apart) {
  Below b(both_families());
  tcp::Context& c = b.engine().context();
  const tcp::Cell& opening = tcp::step(State::listen, tcp::StateEvent::syn);
  const std::uint16_t hop = c.interfaces.neighbours().find_or_add(0, Address::of(peer_ip6));
  const Key key{1, 2, 3, 4};
  std::vector<AddressPair> pairs;
  std::map<std::uint64_t, std::uint32_t> slots;
  for (std::uint64_t i = 0; i < 8; ++i) {
    const AddressPair pair{Address::of(IpAddress::v6(0xfd00'0000'0000'0000, 100 + i)),
                           Address::of(our_ip6)};
    pairs.push_back(pair);
    slots[i] = tcp::create(c, key, &pair, c.hash(key), opening, hop, 1440);
    ASSERT_NE(slots[i], tcp::TcbPool::none);
  }
  const std::uint32_t v4 = tcp::create(c, key, nullptr, c.hash(key), opening, hop, 1440);
  for (std::uint64_t i = 0; i < 8; ++i) {
    EXPECT_EQ(tcp::find_connection(c, c.hash(key), key, &pairs[i]), slots[i]);
  }
  EXPECT_EQ(tcp::find_connection(c, c.hash(key), key, nullptr), v4);
  const AddressPair other{pairs[0].local, pairs[0].remote};
  EXPECT_EQ(tcp::find_connection(c, c.hash(key), key, &other), flow::Table::none);
  for (const auto& [i, slot] : slots) tcp::release(c, slot, Reason::closed);
  tcp::release(c, v4, Reason::closed);
}

}  // namespace
}  // namespace salut::test
