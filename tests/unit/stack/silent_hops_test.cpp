// Next hops that do not answer: who is told, and who is not.
#include <gtest/gtest.h>

#include "below.hpp"
#include "io/sim/world.hpp"

namespace salut::test {
namespace {

using sim::Host;
using sim::World;

IpAddress address(unsigned n) { return sim::station_address(n, over_ip6()); }

// As many as wait, not as many as have a frame in the queue.
TEST(SilentHops, all_that_wait_for_a_silent_next_hop_are_told) {
  StackConfig config = small_config();
  config.connections = 300;
  config.neighbour_queue = 4;
  World world(5);
  Host& host = world.add_host(address(1), config, {.frames = 1'024});
  Host& peer = world.add_host(address(2), small_config());
  world.join_all();
  ASSERT_TRUE(peer.engine->listen({IpAddress::any_v6(), 80}, 16));
  unsigned told = 0, connected = 0;
  host.on_events = [&](std::span<const Event> events) {
    for (const Event& event : events) {
      connected += event.has(Event::connected) ? 1 : 0;
      if (event.has(Event::closed)) told += event.reason == Reason::unreachable ? 1 : 0;
    }
  };
  for (unsigned i = 0; i < 200; ++i) {
    ASSERT_TRUE(host.engine->connect({address(9), 80}, {}, 0, world.now()));
  }
  ASSERT_TRUE(host.engine->connect({address(2), 80}, {}, 0, world.now()));
  host.wake_at = world.now();
  world.run_until(world.now() + 3500ms);
  EXPECT_EQ(told, 200u);
  EXPECT_EQ(connected, 1u);
}

// While those who waited for dead next hops are being told, in turns of 4,096 slots, the entries of
// the table go to other stations, and to connections that ask anew. A live one is not ended.
TEST(SilentHops, station_that_takes_the_entry_of_a_silent_one_connects) {
  StackConfig config = small_config();
  config.connections = 16'384;
  config.neighbours = 64;
  StackConfig server = small_config();
  server.connections = 16'384;
  World world(7);
  Host& host = world.add_host(address(1), config);
  Host& busy = world.add_host(address(2), server);
  Host& live = world.add_host(address(3), server);
  world.join_all();
  ASSERT_TRUE(busy.engine->listen({IpAddress::any_v6(), 80}, 20'000));
  ASSERT_TRUE(live.engine->listen({IpAddress::any_v6(), 80}, 20'000));
  unsigned dead = 0, opened = 0, connected = 0, unreachable = 0;
  host.on_events = [&](std::span<const Event> events) {
    bool ended = false;
    for (const Event& event : events) {
      const bool to_live = event.user == 3;
      connected += to_live && event.has(Event::connected) ? 1 : 0;
      if (!event.has(Event::closed) || event.reason != Reason::unreachable) continue;
      (to_live ? unreachable : dead) += 1;
      ended |= !to_live;
    }
    if (!ended || opened != 0) return;
    for (; opened < 300; ++opened) {
      ASSERT_TRUE(host.engine->connect({address(3), 80}, {}, 3, world.now()));
    }
  };
  for (unsigned i = 0; i < 63; ++i) {
    ASSERT_TRUE(host.engine->connect({address(10 + i), 80}, {}, 1, world.now()));
  }
  for (unsigned i = 0; i < 10'000; ++i) {  // so that the walk takes three turns
    ASSERT_TRUE(host.engine->connect({address(2), 80}, {}, 2, world.now()));
    if (i % 500 == 0) world.run_until(world.now() + 5ms);
  }
  world.run_until(world.now() + 10s);
  EXPECT_EQ(dead, 63u);
  EXPECT_EQ(opened, 300u);
  EXPECT_EQ(unreachable, 0u);
  EXPECT_EQ(connected, 300u);
}

}  // namespace
}  // namespace salut::test
