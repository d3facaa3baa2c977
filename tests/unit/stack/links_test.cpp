// Hosts on a link as an engine meets them: where gateways are, and who is told what.
#include <gtest/gtest.h>

#include <optional>

#include "io/sim/world.hpp"
#include "tcp/harness.hpp"

namespace salut::test {
namespace {

using sim::Host;
using sim::HostOptions;
using sim::World;

IpAddress address(unsigned n) {
  return over_ip6() ? IpAddress::v6(0xfd00'0000'0000'0000, n) : IpAddress::v4(0x0a000000 + n);
}
IpAddress elsewhere(unsigned n) {
  return over_ip6() ? IpAddress::v6(0xfd09'0000'0000'0000, n) : IpAddress::v4(0xc0000200 + n);
}

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

}  // namespace
}  // namespace salut::test
