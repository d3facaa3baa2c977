// A client that starts again with the key of ISNs that it had: a server whose TIME_WAIT holds the
// tuple takes its SYN as a newer one (RFC 6528, RFC 6191).
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

#include "io/sim/world.hpp"

namespace salut::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint16_t client_port = 30'000;

struct Restart {
  explicit Restart(bool v6, bool timestamps)
      : from(sim::station_address(1, v6)), to(sim::station_address(2, v6)) {
    config.connections = 64;
    config.time_wait = 64;
    config.buffer_blocks = 64;
    config.timestamps = timestamps;
    client = &world.add_host(from, config);
    server = &world.add_host(to, config);
    world.join(*client, *server, {});
    EXPECT_TRUE(server->engine->listen({to, 80}, 16));
    // It closes first, so that TIME_WAIT is its.
    server->on_events = [this](std::span<const Event> events) {
      for (const Event& event : events) {
        if (event.has(Event::accepted)) server->engine->close(event.connection);
      }
    };
    client->on_events = [this](std::span<const Event> events) {
      for (const Event& event : events) {
        if (event.has(Event::connected)) connected_at = world.now();
        if (event.has(Event::peer_closed)) client->engine->close(event.connection);
      }
    };
  }

  // The process dies and another one takes its place; `seed`: what its start drew.
  void restart(std::uint64_t seed, const std::optional<tcp::IsnKey>& key) {
    auto interface = client->engine->context().interfaces.interface(0);
    client->engine.reset();
    client->memory = std::make_unique<HeapMemory>();
    client->engine = std::make_unique<stack::Engine>(config, std::vector{interface}, *client->pool,
                                                     *client->memory, seed, 0, world.now());
    if (key) client->engine->take_isn_key(*key);
  }
  // How long a connection from the same port takes to open; it is then closed by both.
  std::optional<Duration> open() {
    connected_at.reset();
    const Instant begin = world.now();
    EXPECT_TRUE(client->engine->connect({to, 80}, {from, client_port}, 0, begin));
    world.run_until(begin + milliseconds{900});  // before a SYN would be repeated
    if (!connected_at) return std::nullopt;
    return *connected_at - begin;
  }
  std::uint64_t in_time_wait() const {
    return server->engine->counters().states[static_cast<std::size_t>(State::time_wait)];
  }
  std::uint64_t reused() const { return server->engine->counters().time_wait_reused; }

  StackConfig config;
  IpAddress from, to;
  sim::World world{1};
  sim::Host* client = nullptr;
  sim::Host* server = nullptr;
  std::optional<Instant> connected_at;
};

constexpr tcp::IsnKey kept{0x0123456789abcdef, 0xfedcba9876543210, seconds{3}};

TEST(Restart, syn_with_the_kept_key_is_newer_than_what_is_in_time_wait) {
  for (const bool v6 : {false, true}) {
    for (const bool timestamps : {false, true}) {
      Restart r(v6, timestamps);
      for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        r.restart(seed, kept);
        const auto took = r.open();
        ASSERT_TRUE(took) << "IPv6 " << v6 << " timestamps " << timestamps << " start " << seed;
        EXPECT_LT(*took, milliseconds{10});
        EXPECT_EQ(r.in_time_wait(), 1u);
        EXPECT_EQ(r.reused(), seed - 1);
      }
    }
  }
}

// Without it each start draws numbers that are older as often as not: what the key is for.
TEST(Restart, syn_with_a_fresh_key_is_refused_as_often_as_not) {
  for (const bool timestamps : {false, true}) {
    Restart r(false, timestamps);
    constexpr std::uint64_t starts = 40;
    std::uint64_t late = 0;
    for (std::uint64_t seed = 1; seed <= starts; ++seed) {
      r.restart(seed, std::nullopt);
      const auto took = r.open();
      if (!took || *took > milliseconds{1}) ++late;
    }
    EXPECT_GT(late, starts / 8) << "timestamps " << timestamps;
  }
}

}  // namespace
}  // namespace salut::test
