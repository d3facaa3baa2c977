// The load generator's two ends against each other, in virtual time.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <span>

#include "load/client.hpp"
#include "load/server.hpp"
#include "sim_stack.hpp"

namespace salut::app {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr Endpoint service{IpAddress::v4(server_ip), 80};

inline std::uint64_t ticks_of(Instant now) {
  return static_cast<std::uint64_t>(now.time_since_epoch().count());
}

struct Load {
  explicit Load(load::LoadOptions load, std::uint64_t seed = 1,
                const sim::Conditions& conditions = {}, bool serving = true,
                const StackConfig& config = Pair::small_config())
      : pair(seed, conditions, config),
        client(with_defaults(load)),
        server(service, load.exchange, 4'096) {
    if (serving && !server.start(pair.server())) ADD_FAILURE() << "cannot listen";
    pair.on_server_turn(
        [this](Stack& stack, std::span<const Event> events) { server.on_events(stack, events); });
    pair.on_client_turn([this](Stack& stack, std::span<const Event> events) {
      client.on_events(events, ticks_of(stack.now()));
      client.on_turn(stack, ticks_of(stack.now()));
    });
  }
  static load::LoadOptions with_defaults(load::LoadOptions load) {
    load.target = service;
    load.slots = 4'096;
    return load;
  }
  std::uint64_t now() { return ticks_of(pair.world().now()); }
  bool run_to_the_end() {
    return pair.run_until([this] {
      return client.totals().attempted > 0 && client.in_flight() == 0 &&
             client.totals().attempted >= limit;
    });
  }
  std::uint64_t entered(Stack& stack, State state) {
    return stack.counters().states_entered[static_cast<std::size_t>(state)];
  }

  Pair pair;
  load::LoadClient client;
  load::LoadServer server;
  std::uint64_t limit = 0;
};

}  // namespace salut::app
