// Hosts on a link as an engine meets them: where gateways are, and who is told what.
#include <gtest/gtest.h>

#include <optional>

#include "below.hpp"
#include "io/sim/world.hpp"
#include "ip/arp.hpp"
#include "wire/emit.hpp"

namespace salut::test {
namespace {

using sim::Host;
using sim::HostOptions;
using sim::World;

IpAddress address(unsigned n) { return sim::station_address(n, over_ip6()); }
IpAddress elsewhere(unsigned n) {
  return over_ip6() ? IpAddress::v6(0xfd09'0000'0000'0000, n) : IpAddress::v4(0xc0000200 + n);
}

Bytes syn(const IpAddress& from, const Mac& mac, std::uint16_t port = 40'000) {
  const wire::test::TcpSpec spec{
      .source_port = port, .destination_port = 80, .ack = 0, .flags = wire::syn};
  Bytes bytes = over_ip6() ? wire::test::tcp_packet_6(spec) : wire::test::tcp_packet(spec);
  std::copy(mac.bytes.begin(), mac.bytes.end(), bytes.begin() + 6);
  if (over_ip6()) {
    std::copy(from.bytes().begin(), from.bytes().end(), bytes.begin() + 22);
    wire::test::fix_checksums_6(bytes);
  } else {
    wire::test::put32(bytes, 26, from.v4());
    wire::test::fix_checksums(bytes);
  }
  return bytes;
}
bool is_to(const Bytes& frame, const Mac& mac) {
  return std::equal(mac.bytes.begin(), mac.bytes.end(), frame.begin());
}
constexpr Mac stranger = {{2, 0, 0, 0, 0, 0x66}};

// A /32 or /128 whose gateway is in no prefix of its port, as clouds give them.
TEST(Links, host_address_connects_through_a_gateway_elsewhere) {
  World world(3);
  Host& router = world.add_host(address(1), small_config(),
                                {.gateway = elsewhere(2)});  // knows the host to be on its link
  Host& host = world.add_host(elsewhere(2), small_config(), {.gateway = address(1), .alone = true});
  world.join_all();
  ASSERT_TRUE(router.engine->listen({IpAddress::any_v6(), 80}, 16));
  bool connected = false;
  host.on_events = [&](std::span<const Event> events) {
    for (const Event& event : events) connected = connected || event.has(Event::connected);
  };
  ASSERT_TRUE(host.engine->connect({address(1), 80}, {}, 0, world.now()));
  host.wake_at = world.now();
  world.run_until(world.now() + 100ms);
  EXPECT_TRUE(connected);
}

// --- LAND ---------------------------------------------------------------------------------------

TEST(Links, syn_from_our_own_address_is_nobodys) {
  Below b(both_families());
  ASSERT_TRUE(b.engine().listen({IpAddress::any_v6(), 80}, 16));
  b.send(syn(address(1), stranger));
  b.send(syn(address(1), stranger, 80));
  b.advance(1s);
  EXPECT_TRUE(b.sent.empty()) << "nobody is asked where we are";
  EXPECT_EQ(b.drops(Drop::ip_own_source), 2u);
  b.send(syn(address(1), our_mac));
  EXPECT_EQ(b.drops(Drop::ip_own_source), 2u) << "a wire to ourselves";
}

TEST(Links, echo_from_no_station_or_from_ourselves_is_not_answered) {
  Below b(both_families());
  const auto echo_from = [&](const char* text, const Mac& mac) {
    const IpAddress from = *IpAddress::parse(text);
    Bytes bytes = from.is_v6() ? wire::test::echo_packet_6(8) : wire::test::echo_packet(8);
    std::copy(mac.bytes.begin(), mac.bytes.end(), bytes.begin() + 6);
    if (from.is_v6()) {
      std::copy(from.bytes().begin(), from.bytes().end(), bytes.begin() + 22);
      wire::test::fix_checksums_6(bytes);
    } else {
      wire::test::put32(bytes, 26, from.v4());
      wire::test::fix_checksums(bytes);
    }
    b.send(bytes);
  };
  echo_from("10.0.0.255", stranger);  // the whole link would hear the answer
  echo_from("::", stranger);
  EXPECT_EQ(b.drops(Drop::ip_bad_source), 2u);
  echo_from("10.0.0.1", stranger);
  echo_from("fd00::1", stranger);
  EXPECT_EQ(b.drops(Drop::ip_own_source), 2u);
  EXPECT_TRUE(b.sent.empty());
  echo_from("10.0.0.1", our_mac);
  echo_from("10.0.0.9", stranger);
  EXPECT_EQ(b.sent.size(), 2u);
}

// A range of one port says nothing of the addresses of another.
TEST(Links, address_of_another_port_is_shared_with_nobody) {
  ip::Interface wide = both_families();
  wide.ranges = {*AddressRange::parse("10.9.0.0/24"), *AddressRange::parse("fd09::/120")};
  ip::Interface other;
  other.addresses = {*Prefix::parse("10.1.0.1/24"), *Prefix::parse("fd01::1/64")};
  sim::Pool pool(16);
  HeapMemory memory;
  Counters counters;
  const ip::Interfaces interfaces({wide, other}, pool, memory, counters);
  const auto shared = [&](const char* text) {
    return interfaces.is_shared(0, Address::of(*IpAddress::parse(text)));
  };
  for (const char* text : {"10.9.0.7", "fd09::7"}) EXPECT_TRUE(shared(text)) << text;
  for (const char* text : {"10.0.0.1", "fd00::1", "10.1.0.1", "fd01::1"}) {
    EXPECT_FALSE(shared(text)) << text;
  }
}

// testpmd in mode macswap: what we send to ourselves comes back from its MAC.
TEST(Links, our_own_address_comes_from_the_station_that_the_configuration_names) {
  ip::Interface interface = both_families();
  interface.neighbours = {{address(1), peer_mac}};
  Below b(interface);
  ASSERT_TRUE(b.engine().listen({IpAddress::any_v6(), 80}, 16));
  b.send(syn(address(1), peer_mac));
  EXPECT_EQ(b.sent.size(), 1u);
  b.send(syn(address(1), stranger, 40'001));
  EXPECT_EQ(b.drops(Drop::ip_own_source), 1u);
}

// --- announcements -------------------------------------------------------------------------------

// Of an address: a request for itself to all, or an advertisement that nobody asked for.
unsigned announcements(const std::deque<Bytes>& sent, const IpAddress& of) {
  unsigned count = 0;
  for (const Bytes& bytes : sent) {
    if (of.is_v4()) {
      const bool arp = wire::test::get16(bytes, 12) == 0x0806 && is_to(bytes, broadcast_mac);
      const bool own =
          arp && std::equal(bytes.begin() + 28, bytes.begin() + 32, bytes.begin() + 38);
      count += own && std::equal(bytes.begin() + 28, bytes.begin() + 32, of.bytes().begin() + 12);
    } else {
      const bool na = bytes.size() > 78 && bytes[20] == 58 && bytes[54] == 136 && bytes[58] == 0x20;
      count += na && std::equal(of.bytes().begin(), of.bytes().end(), bytes.begin() + 62);
    }
  }
  return count;
}

TEST(Links, port_that_comes_up_says_where_its_addresses_are_twice) {
  ip::Interface interface = both_families();
  interface.ranges = {AddressRange{IpAddress::v4(0x0a000080), 100}};
  interface.gateway = address(2).is_v4() ? address(2) : IpAddress{};
  interface.gateway6 = address(2).is_v6() ? address(2) : IpAddress::any_v6();
  Below b(interface);
  b.advance(1s);
  EXPECT_TRUE(b.sent.empty());
  b.engine().announce(0);
  b.advance(1s);
  EXPECT_EQ(announcements(b.sent, IpAddress::v4(0x0a000001)), 1u);
  EXPECT_EQ(announcements(b.sent, IpAddress::v6(0xfd00'0000'0000'0000, 1)), 1u);
  EXPECT_EQ(announcements(b.sent, IpAddress::v4(0x0a000080)), 1u);
  EXPECT_EQ(announcements(b.sent, IpAddress::v4(0x0a000080 + 99)), 1u);
  EXPECT_EQ(announcements(b.sent, IpAddress::v4(0x0a000080 + 100)), 0u);
  // And the gateway is known before anybody needs it.
  b.send(over_ip6() ? wire::test::ndp_packet(136) : wire::test::arp_packet(2, our_mac));
  const auto& neighbours = b.engine().context().interfaces.neighbours();
  EXPECT_TRUE(neighbours.resolved(neighbours.find(0, Address::of(address(2)))));
  b.advance(9s);
  EXPECT_EQ(announcements(b.sent, IpAddress::v4(0x0a000001)), 2u);
  EXPECT_EQ(announcements(b.sent, IpAddress::v6(0xfd00'0000'0000'0000, 1)), 2u);
  EXPECT_EQ(announcements(b.sent, IpAddress::v4(0x0a000080 + 99)), 2u);
  b.engine().announce(0);
  b.advance(9s);
  EXPECT_EQ(announcements(b.sent, IpAddress::v4(0x0a000001)), 4u);
}

TEST(Links, what_siblings_share_is_announced_by_none) {
  ip::Interface interface = both_families();
  interface.ranges = {AddressRange{IpAddress::v4(0xc0000201), 1}};
  interface.siblings = {IpAddress::v4(0x0a000003)};
  Below b(interface);
  b.engine().announce(0);
  b.advance(5s);
  EXPECT_EQ(announcements(b.sent, IpAddress::v4(0x0a000001)), 2u);
  EXPECT_EQ(announcements(b.sent, IpAddress::v4(0xc0000201)), 0u);
}

TEST(Links, one_worker_of_several_announces) {
  ip::Interface interface = both_families();
  interface.steered_as = 1;
  Below b(interface);
  b.engine().announce(0);
  b.advance(5s);
  EXPECT_TRUE(b.sent.empty());
}

// A neighbour that had us behind another MAC is right at once.
TEST(Links, station_that_takes_over_an_address_is_found_at_once) {
  World world(6);
  Host& client = world.add_host(address(9), small_config());
  Host& old = world.add_host(address(1), small_config());
  Host& heir = world.add_host(address(1), small_config());
  world.join_all();
  heir.end->cut_until = Instant::max();
  ASSERT_TRUE(old.engine->listen({IpAddress::any_v6(), 80}, 16));
  ASSERT_TRUE(heir.engine->listen({IpAddress::any_v6(), 80}, 16));
  unsigned connected = 0;
  client.on_events = [&](std::span<const Event> events) {
    for (const Event& event : events) connected += event.has(Event::connected) ? 1 : 0;
  };
  const auto connect = [&] {
    ASSERT_TRUE(client.engine->connect({address(1), 80}, {}, 0, world.now()));
    client.wake_at = world.now();
    world.run_until(world.now() + 200ms);
  };
  connect();
  EXPECT_EQ(connected, 1u);
  old.end->cut_until = Instant::max();
  heir.end->cut_until = Instant{};
  heir.engine->announce(0);
  heir.wake_at = world.now();
  world.run_until(world.now() + 200ms);
  connect();
  EXPECT_EQ(connected, 2u);
}

// --- siblings that do not know of each other -----------------------------------------------------

// a hands on to b, b to c, c to a, as each lists only the next.
TEST(Links, segment_in_a_ring_of_siblings_is_handed_on_once) {
  World world(7);
  std::vector<Host*> ring;
  const IpAddress vip = elsewhere(1);
  for (unsigned i = 0; i < 3; ++i) {
    HostOptions options;
    options.ranges = {AddressRange{vip, 1}};
    options.siblings = {address((i + 1) % 3 + 1)};
    ring.push_back(&world.add_host(address(i + 1), small_config(), options));
  }
  Host& router = world.add_host(address(9), small_config());
  world.join_all();
  world.run_until(world.now() + 2s);  // they ask for each other
  Frame frame;
  ASSERT_TRUE(router.pool->acquire(&frame, 1));
  Bytes ack = syn(address(9), router.engine->context().interfaces.interface(0).mac);
  ack[over_ip6() ? 67 : 47] = wire::ack;
  ack[over_ip6() ? 21 : 22] = 255;
  const Mac first = ring[0]->engine->context().interfaces.interface(0).mac;
  std::copy(first.bytes.begin(), first.bytes.end(), ack.begin());
  if (over_ip6()) {
    std::copy(vip.bytes().begin(), vip.bytes().end(), ack.begin() + 38);
    wire::test::fix_checksums_6(ack);
  } else {
    wire::test::put32(ack, 30, vip.v4());
    wire::test::fix_checksums(ack);
  }
  std::memcpy(frame.data, ack.data(), ack.size());
  frame.length = static_cast<std::uint16_t>(ack.size());
  router.end->transmit(&frame, 1);
  world.run_until(world.now() + 1s);
  std::uint64_t forwarded = 0, resets = 0;
  for (const Host* host : ring) {
    forwarded += host->engine->counters().forwarded;
    resets += host->engine->counters().resets_sent;
  }
  EXPECT_EQ(forwarded, 1u);
  EXPECT_EQ(resets, 1u);
}

// --- strangers that invent addresses of the link -------------------------------------------------

// SYNs from addresses of the link that nobody has, more of them than the table has entries: who is
// known connects, who is new connects, and no entry is spent on the flood.
void flood_while_honest_connect(bool cookies) {
  StackConfig config = small_config();
  config.connections = 64;
  config.neighbours = 16;
  config.syn_cookies = cookies;
  World world(8);
  Host& server = world.add_host(address(1), config);
  std::vector<Host*> honest;
  unsigned connected = 0;
  for (unsigned i = 0; i < 6; ++i) {
    honest.push_back(&world.add_host(address(10 + i), small_config()));
    honest.back()->on_events = [&](std::span<const Event> events) {
      for (const Event& event : events) connected += event.has(Event::connected) ? 1 : 0;
    };
  }
  Host& attacker = world.add_host(address(99), small_config());
  world.join_all();
  ASSERT_TRUE(server.engine->listen({IpAddress::any_v6(), 80}, cookies ? 8 : 64));
  const Mac to = server.engine->context().interfaces.interface(0).mac;
  const Mac from = attacker.engine->context().interfaces.interface(0).mac;
  const auto spoof = [&](unsigned n) {
    Frame frame;
    ASSERT_TRUE(attacker.pool->acquire(&frame, 1));
    Bytes bytes = syn(address(1'000 + n), from);
    std::copy(to.bytes.begin(), to.bytes.end(), bytes.begin());
    std::memcpy(frame.data, bytes.data(), bytes.size());
    frame.length = static_cast<std::uint16_t>(bytes.size());
    attacker.end->transmit(&frame, 1);
  };
  const auto connect = [&](unsigned i) {
    ASSERT_TRUE(honest[i]->engine->connect({address(1), 80}, {}, 0, world.now()));
    honest[i]->wake_at = world.now();
  };
  for (unsigned i = 0; i < 3; ++i) connect(i);
  world.run_until(world.now() + 100ms);
  const std::uint32_t known = server.engine->context().interfaces.neighbours().size();
  ASSERT_EQ(connected, 3u);
  // Without cookies a quarter of the slots may be half open: 16, of which the flood leaves some.
  unsigned n = 0;
  for (unsigned turn = 0; turn < 60; ++turn) {
    const unsigned burst = cookies ? 10 : (turn < 10 ? 1 : 0);
    for (unsigned k = 0; k < burst; ++k) spoof(n++);
    if (turn % 10 == 5) connect(turn / 10);
    world.run_until(world.now() + 10ms);
  }
  EXPECT_EQ(connected, 9u);
  const ip::Neighbours& table = server.engine->context().interfaces.neighbours();
  EXPECT_LE(table.size(), known + 3);
  const Counters& counters = server.engine->counters();
  for (const Drop drop : {Drop::neighbour_queue_full, Drop::neighbour_table_full,
                          Drop::neighbour_unresolved, Drop::syn_overload}) {
    EXPECT_EQ(counters.drops[static_cast<std::size_t>(drop)], 0u) << name(drop);
  }
}
TEST(Links, flood_of_invented_stations_costs_no_entry) { flood_while_honest_connect(false); }
TEST(Links, flood_of_invented_stations_costs_no_entry_with_cookies) {
  flood_while_honest_connect(true);
}

// SYN,ACKs, the repeated ones too, go where the SYN came from; nobody is asked.
TEST(Links, syn_is_answered_at_the_mac_that_it_came_from) {
  Below b(both_families());
  ASSERT_TRUE(b.engine().listen({IpAddress::any_v6(), 80}, 16));
  b.send(syn(address(77), stranger));
  b.advance(8s);
  ASSERT_GE(b.sent.size(), 3u);
  for (const Bytes& bytes : b.sent) {
    EXPECT_TRUE(is_to(bytes, stranger));
    EXPECT_EQ(bytes[over_ip6() ? 67 : 47], wire::syn | wire::ack);
  }
  EXPECT_EQ(b.engine().context().interfaces.neighbours().size(), 0u);
}

// Somebody else on the link has sent a SYN in a peer's name, and has its answer. When the peer
// opens a connection from the same port, it hears of it, and not the other: its RST clears the way.
TEST(Links, syn_of_another_connection_is_answered_at_its_own_mac) {
  Below b(both_families());
  ASSERT_TRUE(b.engine().listen({IpAddress::any_v6(), 80}, 16));
  b.send(syn(address(77), stranger));
  b.sent.clear();
  Bytes again = syn(address(77), wire::test::other_mac);
  const std::size_t tcp = over_ip6() ? 54 : 34;
  wire::test::put32(again, tcp + 4, 0x12345678);
  over_ip6() ? wire::test::fix_checksums_6(again) : wire::test::fix_checksums(again);
  b.send(again);
  ASSERT_EQ(b.sent.size(), 1u);
  const Bytes answer = b.take();
  EXPECT_TRUE(is_to(answer, wire::test::other_mac));
  EXPECT_EQ(answer[tcp + 13], wire::ack);
  Bytes reset = syn(address(77), wire::test::other_mac);
  std::copy_n(&answer[tcp + 8], 4, &reset[tcp + 4]);
  reset[tcp + 13] = wire::rst;
  over_ip6() ? wire::test::fix_checksums_6(reset) : wire::test::fix_checksums(reset);
  b.send(reset);
  EXPECT_TRUE(b.sent.empty());
  b.send(again);
  ASSERT_EQ(b.sent.size(), 1u);
  EXPECT_TRUE(is_to(b.sent.front(), wire::test::other_mac));
  EXPECT_EQ(b.sent.front()[tcp + 13], wire::syn | wire::ack);
}

// As many stations in use as the table has entries: the next one is told, and not left to hang.
TEST(Links, peer_without_room_in_the_table_is_reset_and_counted) {
  StackConfig config = small_config();
  config.neighbours = 2;
  World world(9);
  Host& server = world.add_host(address(1), config);
  std::vector<Host*> clients;
  unsigned connected = 0, reset = 0;
  world.join_all();
  for (unsigned i = 0; i < 3; ++i) {
    clients.push_back(&world.add_host(address(10 + i), small_config()));
    clients.back()->on_events = [&](std::span<const Event> events) {
      for (const Event& event : events) {
        connected += event.has(Event::connected) ? 1 : 0;
        reset += event.has(Event::closed) && event.reason == Reason::reset ? 1 : 0;
      }
    };
  }
  unsigned accepted = 0;
  server.on_events = [&](std::span<const Event> events) {
    for (const Event& event : events) accepted += event.has(Event::accepted) ? 1 : 0;
  };
  ASSERT_TRUE(server.engine->listen({IpAddress::any_v6(), 80}, 16));
  for (Host* client : clients) {
    ASSERT_TRUE(client->engine->connect({address(1), 80}, {}, 0, world.now()));
    client->wake_at = world.now();
    world.run_until(world.now() + 50ms);
  }
  EXPECT_EQ(accepted, 2u);
  EXPECT_EQ(connected, 3u) << "by the SYN,ACK";
  EXPECT_EQ(reset, 1u);
  EXPECT_EQ(server.engine->counters().drops[static_cast<std::size_t>(Drop::neighbour_table_full)],
            1u);
  EXPECT_EQ(server.engine->open_connections(), 2u);
}

// An idle scan reads how many packets we sent to others out of the IDs of those sent to it.
TEST(Links, ids_of_packets_tell_nothing) {
  if (over_ip6()) GTEST_SKIP() << "IPv6 has none";
  Below b(both_families());
  ASSERT_TRUE(b.engine().listen({IpAddress::any_v6(), 80}, 2));
  for (std::uint16_t i = 0; i < 6; ++i) b.send(syn(address(77), stranger, 40'000 + i));  // cookies
  for (std::uint16_t i = 0; i < 3; ++i) {                                                // RSTs
    Bytes ack = syn(address(77), stranger, 50'000 + i);
    wire::test::put16(ack, 36, 81);
    wire::test::fix_checksums(ack);
    b.send(ack);
  }
  ASSERT_GE(b.sent.size(), 9u);
  for (const Bytes& bytes : b.sent) {
    EXPECT_EQ(wire::test::get16(bytes, 18), 0u);
    EXPECT_EQ(wire::test::get16(bytes, 20), 0x4000u) << "DF";
  }
  EXPECT_GT(b.engine().counters().cookies_sent, 0u);
}

}  // namespace
}  // namespace salut::test
