// Instances of one address on one link: a router sends a connection's segments to an instance that
// never heard of it, and nobody notices.
#include "ip/siblings.hpp"

#include <gtest/gtest.h>

#include "io/sim/world.hpp"
#include "ip/arp.hpp"
#include "ip/ndp.hpp"
#include "tcp/harness.hpp"

namespace salut::test {
namespace {

using sim::Host;
using sim::World;

constexpr Duration dead_after = ip::Siblings::dead_after;

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

// A client, and instances a, b, … with one address on a switch. The client's gateway stands for the
// router: which instance its MAC belongs to is where the "router" sends everything.
class Site {
 public:
  explicit Site(unsigned instances, bool ip6 = over_ip6()) : ip6_(ip6), world_(5) {
    StackConfig config = small_config();
    config.rto_min = 200ms;
    const IpAddress gateway = address(254);
    client_ = &world_.add_host(address(100), config, {.gateway = gateway});
    for (unsigned i = 0; i < instances; ++i) {
      sim::HostOptions options;
      options.ranges = {AddressRange{vip(), 1}};
      for (unsigned other = 0; other < instances; ++other) {
        if (other != i) options.siblings.push_back(address(other + 1));
      }
      Host& host = world_.add_host(address(i + 1), config, options);
      instances_.push_back(&host);
      EXPECT_TRUE(host.engine->listen({IpAddress::any_v6(), 80}, 16));
      host.on_events = [&host](std::span<const Event> events) { echo(host, events); };
    }
    client_->on_events = [this](std::span<const Event> events) { take(events); };
    world_.join_all();
    run(100ms);  // they ask for each other
    route_to(0);
  }

  IpAddress vip() const { return ip(ip6_ ? "fd99::1" : "192.0.2.1"); }
  IpAddress address(unsigned n) const { return sim::station_address(n, ip6_); }
  Host& instance(unsigned i) { return *instances_[i]; }
  const Counters& counters(unsigned i) { return instances_[i]->engine->counters(); }
  std::uint64_t drops(unsigned i, Drop drop) {
    return counters(i).drops[static_cast<std::size_t>(drop)];
  }
  std::uint64_t resets() {
    std::uint64_t sum = 0;
    for (Host* host : instances_) sum += host->engine->counters().resets_sent;
    return sum;
  }
  World& world() { return world_; }
  void run(Duration by) { world_.run_until(world_.now() + by); }

  // The router's next hop from now on.
  void route_to(unsigned i) {
    routed_ = i;
    Host& host = *instances_[i];
    Frame frame;
    ASSERT_TRUE(host.pool->acquire(&frame, 1));
    const Mac mac = host.engine->context().interfaces.interface(0).mac;
    const Mac to = client_->engine->context().interfaces.interface(0).mac;
    const Address gateway = Address::of(address(254));
    const Address client = Address::of(address(100));
    if (ip6_) {
      ip::Ndp ndp{.advertisement = true, .override = true, .mac = mac};
      ndp.source = ndp.target = gateway;
      ndp.destination = client;
      ip::emit_ndp(frame, ndp, to);
    } else {
      // A request to the client, so that it learns of a gateway that it does not know yet.
      ip::emit_arp(frame,
                   ip::Arp{.op = wire::arp_request,
                           .sender_mac = mac,
                           .sender_ip = gateway.v4(),
                           .target_ip = client.v4(),
                           .target_mac = to},
                   to);
    }
    host.end->transmit(&frame, 1);
    run(1ms);
  }
  // No frame to or from it any more; it does not know.
  void kill(unsigned i) { instances_[i]->end->cut_until = Instant::max(); }

  void connect(Endpoint to) {
    const auto made = client_->engine->connect(to, {}, 0, world_.now());
    ASSERT_TRUE(made);
    connection = *made;
    reason.reset();
    received.clear();
    client_->wake_at = world_.now();
    run(20ms);
    if (ip6_ && !connected) {  // only an advertisement that was asked for makes an entry
      route_to(routed_);
      run(20ms);
    }
  }
  void connect() { connect({vip(), 80}); }
  void write(const std::string& text) {
    const auto n = client_->engine->write(connection, std::as_bytes(std::span(text)));
    ASSERT_TRUE(n && *n == text.size());
    client_->wake_at = world_.now();
    run(20ms);
  }
  void close() {
    EXPECT_EQ(client_->engine->close(connection), Errc::ok);
    client_->wake_at = world_.now();
    run(50ms);
  }
  Host& client() { return *client_; }

  Connection connection;
  bool connected = false;
  std::string received;
  std::optional<Reason> reason;

 private:
  static void echo(Host& host, std::span<const Event> events) {
    for (const Event& event : events) {
      std::array<std::byte, 2048> bytes;
      if (event.has(Event::readable)) {
        const auto n = host.engine->read(event.connection, bytes);
        if (n) host.engine->write(event.connection, {bytes.data(), *n});
        host.wake_at = Instant{};
      }
      if (event.has(Event::peer_closed)) {
        host.engine->close(event.connection);
        host.wake_at = Instant{};
      }
    }
  }
  void take(std::span<const Event> events) {
    for (const Event& event : events) {
      if (event.has(Event::connected)) connected = true;
      if (event.has(Event::closed)) reason = event.reason;
      std::array<char, 2048> bytes;
      if (event.has(Event::readable)) {
        const auto n =
            client_->engine->read(event.connection, std::as_writable_bytes(std::span(bytes)));
        if (n) received.append(bytes.data(), *n);
      }
    }
  }

  unsigned routed_ = 0;
  bool ip6_;
  World world_;
  Host* client_ = nullptr;
  std::vector<Host*> instances_;
};

TEST(Siblings, connection_goes_on_after_the_route_has_moved) {
  Site s(2);
  s.connect();
  s.write("before ");
  ASSERT_EQ(s.received, "before ");
  s.route_to(1);
  s.write("after");
  EXPECT_EQ(s.received, "before after");
  EXPECT_GE(s.counters(1).forwarded, 1u);
  s.close();
  EXPECT_EQ(s.reason, Reason::closed);
  EXPECT_EQ(s.counters(0).accepted, 1u);
  EXPECT_EQ(s.counters(0).ended[static_cast<std::size_t>(Reason::closed)], 1u);
  EXPECT_EQ(s.counters(1).accepted, 0u);
  EXPECT_EQ(s.resets(), 0u);
  EXPECT_EQ(s.counters(0).unclaimed, 0u);
  EXPECT_EQ(s.drops(1, Drop::tcp_no_connection), 0u);
  EXPECT_EQ(s.drops(0, Drop::ip_not_for_us), 0u);
}

// The handshake itself: the SYN reached one, the ACK of its answer the other.
TEST(Siblings, handshake_completes_after_the_route_has_moved) {
  Site s(2);
  s.connect();  // resolves the gateway
  s.close();
  s.connected = false;
  const auto made = s.client().engine->connect({s.vip(), 80}, {}, 0, s.world().now());
  ASSERT_TRUE(made);
  s.connection = *made;
  s.received.clear();
  s.client().wake_at = s.world().now();
  s.run(60us);  // one way takes 100 us: the SYN is on its way
  s.route_to(1);
  s.run(20ms);
  EXPECT_TRUE(s.connected);
  s.write("hello");
  EXPECT_EQ(s.received, "hello");
  EXPECT_EQ(s.counters(0).accepted, 2u);
  EXPECT_EQ(s.counters(1).accepted, 0u);
  EXPECT_EQ(s.resets(), 0u);
}

TEST(Siblings, new_connection_belongs_to_whoever_gets_the_syn) {
  Site s(2);
  s.connect();
  s.route_to(1);
  s.connect();
  s.write("new");
  EXPECT_EQ(s.received, "new");
  EXPECT_EQ(s.counters(0).accepted, 1u);
  EXPECT_EQ(s.counters(1).accepted, 1u);
  EXPECT_EQ(s.counters(1).forwarded, 0u);
}

// Wherever it enters, and whoever has it: one round at most, and it is found.
TEST(Siblings, three_instances_find_every_connection_from_everywhere) {
  for (unsigned owner = 0; owner < 3; ++owner) {
    for (unsigned entry = 0; entry < 3; ++entry) {
      SCOPED_TRACE(std::to_string(owner) + " from " + std::to_string(entry));
      Site s(3);
      s.route_to(owner);
      s.connect();
      s.route_to(entry);
      s.write("found");
      EXPECT_EQ(s.received, "found");
      EXPECT_EQ(s.resets(), 0u);
      EXPECT_EQ(s.counters(owner).accepted, 1u);
    }
  }
}

// Three, one of which was killed: its connection is nobody's, one round is made, one RST answers.
TEST(Siblings, killed_instances_connection_is_reset_by_the_last_of_the_round) {
  for (unsigned entry = 1; entry < 3; ++entry) {
    SCOPED_TRACE(entry);
    Site s(3);
    s.connect();
    s.kill(0);
    s.route_to(entry);
    s.run(dead_after + 1s);  // nobody hands anything to it any more
    s.write("anybody?");
    EXPECT_EQ(s.reason, Reason::reset);
    EXPECT_EQ(s.resets(), 1u);
    const std::uint64_t handed = s.counters(1).forwarded + s.counters(2).forwarded;
    EXPECT_EQ(handed, 1u);
    EXPECT_EQ(s.counters(1).unclaimed + s.counters(2).unclaimed, 1u);
  }
}

// Before that it may only be slow: its segments are tried, and lost, and come again.
TEST(Siblings, killed_instances_connection_ends_as_soon_as_the_sibling_is_given_up) {
  Site s(2);
  s.connect();
  s.kill(0);
  s.route_to(1);
  s.write("anybody?");
  EXPECT_FALSE(s.reason);
  s.run(10s);
  EXPECT_EQ(s.reason, Reason::reset);
  EXPECT_EQ(s.resets(), 1u);
}

TEST(Siblings, sibling_that_returns_is_found_again) {
  Site s(2);
  s.kill(0);
  s.run(20s);
  s.instance(0).end->cut_until = Instant{};
  s.run(2s);
  s.connect();
  s.route_to(1);
  s.write("hello again");
  EXPECT_EQ(s.received, "hello again");
  EXPECT_EQ(s.resets(), 0u);
}

// What is not shared is no sibling's.
TEST(Siblings, address_of_one_instance_is_answered_there) {
  Site s(2);
  s.connect({s.address(1), 81});
  s.run(1s);
  EXPECT_EQ(s.reason, Reason::refused);
  EXPECT_EQ(s.counters(0).forwarded, 0u);
  s.connect({s.vip(), 81});
  s.run(1s);
  EXPECT_EQ(s.reason, Reason::refused) << "a SYN for a port without a listener is not handed on";
  EXPECT_EQ(s.counters(0).forwarded, 0u);
}

// A drain without a gap: what the router still sends is opened by the other at once.
TEST(Siblings, draining_hands_syns_on) {
  Site s(2);
  s.connect();
  const Connection old = s.connection;
  s.instance(0).engine->drain();
  s.connect();
  s.write("new");
  EXPECT_EQ(s.received, "new");
  EXPECT_EQ(s.counters(1).accepted, 1u);
  s.close();
  EXPECT_EQ(s.reason, Reason::closed);
  s.connection = old;
  s.received.clear();
  s.write("old");
  EXPECT_EQ(s.received, "old") << "the old one goes on";
  s.close();
  EXPECT_EQ(s.instance(0).engine->open_connections(), 0u);
  EXPECT_EQ(s.resets(), 0u);
  EXPECT_EQ(s.drops(0, Drop::syn_draining), 0u);
}

TEST(Siblings, draining_all_at_once_drops_syns_in_silence) {
  Site s(3);
  for (unsigned i = 0; i < 3; ++i) s.instance(i).engine->drain();
  s.connect();
  s.run(500ms);
  EXPECT_FALSE(s.reason);
  EXPECT_EQ(s.resets(), 0u);
  EXPECT_EQ(s.drops(2, Drop::syn_draining), 1u) << "the last of the round";
}

// --- frame by frame -----------------------------------------------------------------------------

constexpr std::uint32_t shared_ip = 0xc0000201;
constexpr Mac router_mac = {{2, 0, 0, 0, 0, 0x99}};

// One instance, 10.0.0.1, whose sibling 10.0.0.2 (peer_mac) has been heard.
struct Instance {
  sim::Pool pool{64};
  HeapMemory memory;
  CaptureDevice device{pool};
  std::unique_ptr<stack::Engine> engine;
  Instant now{1s};

  explicit Instance(bool own_is_first = true) {
    ip::Interface interface;
    interface.device = &device;
    interface.mac = our_mac;
    const std::uint32_t ours = own_is_first ? our_ip : peer_ip + 1;
    interface.addresses = {Prefix{IpAddress::v4(ours), 24}};
    interface.ranges = {AddressRange{IpAddress::v4(shared_ip), 1}};
    interface.gateway = IpAddress::v4(0x0a0000fe);
    interface.siblings = {IpAddress::v4(peer_ip)};
    engine = std::make_unique<stack::Engine>(small_config(), std::vector{interface}, pool, memory,
                                             1, std::uint8_t{0}, now);
    wire::test::Bytes arp = wire::test::arp_packet(wire::arp_request);
    wire::test::put32(arp, 38, ours);
    give(arp);
    device.outbox.clear();
  }
  void give(const wire::test::Bytes& frame) {
    device.inbox.push_back(frame);
    engine->poll(now);
    engine->poll(now);
  }
  // An ACK from 198.51.100.7 to the shared address, which came from `from` with `ttl` left.
  static wire::test::Bytes ack(const Mac& from, std::uint8_t ttl) {
    wire::test::Bytes frame = wire::test::tcp_packet({.payload = {'h', 'i', '!'}});
    std::copy(from.bytes.begin(), from.bytes.end(), frame.begin() + 6);
    frame[22] = ttl;
    wire::test::put32(frame, 26, 0xc6336407);
    wire::test::put32(frame, 30, shared_ip);
    wire::test::fix_checksums(frame);
    return frame;
  }
};

TEST(HandOn, frame_is_the_same_but_for_macs_and_ttl) {
  Instance a;
  const wire::test::Bytes in = Instance::ack(router_mac, 9);
  a.give(in);
  ASSERT_EQ(a.device.outbox.size(), 1u);
  wire::test::Bytes expected = in;
  std::copy(peer_mac.bytes.begin(), peer_mac.bytes.end(), expected.begin());
  std::copy(our_mac.bytes.begin(), our_mac.bytes.end(), expected.begin() + 6);
  expected[22] = 1;  // one sibling: it goes no further
  wire::test::fix_checksums(expected);
  EXPECT_EQ(a.device.outbox.front(), expected);
  EXPECT_EQ(a.engine->counters().forwarded, 1u);
}

// The kernel behind a TAP may leave the sum to hardware that is not there.
TEST(HandOn, checksum_that_only_a_device_vouched_for_is_written) {
  Instance a;
  wire::test::Bytes in = Instance::ack(router_mac, 9);
  wire::test::put16(in, 50, 0x1234);  // TCP's
  a.device.says = ip_checksum_good | l4_checksum_good;
  a.give(in);
  ASSERT_EQ(a.device.outbox.size(), 1u);
  wire::test::Bytes expected = a.device.outbox.front();
  wire::test::fix_checksums(expected);
  EXPECT_EQ(a.device.outbox.front(), expected);
}

bool is_reset(const wire::test::Bytes& frame) { return frame.size() >= 54 && frame[47] == 4; }

TEST(HandOn, last_hop_is_answered) {
  for (const std::uint8_t ttl : {std::uint8_t{0}, std::uint8_t{1}}) {
    Instance a;
    a.give(Instance::ack(router_mac, ttl));
    ASSERT_EQ(a.device.outbox.size(), 1u);
    EXPECT_TRUE(is_reset(a.device.outbox.front()));
    EXPECT_EQ(a.engine->counters().forwarded, 0u);
  }
}

// The answer to what a sibling handed on leaves by the route, not back to the sibling.
TEST(HandOn, nobodys_segment_from_a_sibling_is_answered_through_the_gateway) {
  Instance last(false);
  wire::test::Bytes arp = wire::test::arp_packet(wire::arp_request);
  std::copy(router_mac.bytes.begin(), router_mac.bytes.end(), arp.begin() + 6);
  std::copy(router_mac.bytes.begin(), router_mac.bytes.end(), arp.begin() + 22);
  wire::test::put32(arp, 28, 0x0a0000fe);
  wire::test::put32(arp, 38, peer_ip + 1);
  last.give(arp);
  last.device.outbox.clear();
  last.give(Instance::ack(peer_mac, 9));
  ASSERT_EQ(last.device.outbox.size(), 1u);
  const wire::test::Bytes& out = last.device.outbox.front();
  EXPECT_TRUE(is_reset(out));
  EXPECT_TRUE(std::equal(router_mac.bytes.begin(), router_mac.bytes.end(), out.begin()));
  EXPECT_EQ(last.engine->counters().unclaimed, 1u);
  EXPECT_EQ(last.engine->counters().forwarded, 0u);
}

TEST(HandOn, sibling_silent_for_three_probes_is_passed_over) {
  Instance a;
  unsigned probes = 0;
  for (const Instant end = a.now + dead_after; a.now < end; a.now += 100ms) {
    a.engine->poll(a.now);
    for (const auto& frame : a.device.outbox) probes += frame[12] == 8 && frame[13] == 6 ? 1 : 0;
    a.device.outbox.clear();
  }
  EXPECT_EQ(probes, 3u);
  a.give(Instance::ack(router_mac, 9));
  EXPECT_EQ(a.engine->counters().forwarded, 0u);
  ASSERT_GE(a.device.outbox.size(), 1u);
}

}  // namespace
}  // namespace salut::test
