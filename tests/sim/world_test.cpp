// The invariants of DESIGN.md "Simulation", seed by seed: bytes arrive once and in order, each end
// is told exactly once why, both sides end in CLOSED, and every pool is full again.
//
// SALUT_SEED=N replays one seed with its sequence chart; SALUT_SEEDS=N runs as many as one likes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "actors.hpp"

namespace salut::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t address_a = 0x0a000001;
constexpr std::uint32_t address_b = 0x0a000002;

Plan random_plan(Random& random) {
  Plan plan;
  const std::uint32_t sizes[] = {0, 0, 1, 100, 1460, 5'000, 40'000, 200'000};
  plan.bytes = sizes[random() % 8];
  plan.chunk = 1 + static_cast<std::uint32_t>(random() % 8'000);
  plan.read_size = 1 + static_cast<std::uint32_t>(random() % 8'000);
  plan.half_close = random() % 2 == 0;
  plan.close_early = random() % 6 == 0;
  if (random() % 12 == 0) plan.abort_after = static_cast<std::uint32_t>(random() % 3'000) + 1;
  return plan;
}

Conditions random_conditions(Random& random) {
  Conditions conditions;
  if (random() % 4 != 0) {
    conditions.loss = static_cast<double>(random() % 200) / 1000;
    conditions.duplicate = static_cast<double>(random() % 100) / 1000;
    conditions.corrupt = static_cast<double>(random() % 30) / 1000;
    conditions.delay_max = conditions.delay_min + std::chrono::microseconds(random() % 30'000);
  }
  return conditions;
}

void check_end(const EndState& end, const EndState* peer) {
  EXPECT_EQ(end.reports, 1u) << "each end is told once; stream " << end.stream << " sent "
                             << end.written << " of " << end.plan.bytes << " received "
                             << end.received << " early " << end.plan.close_early << " abort "
                             << end.plan.abort_after << " peer "
                             << (peer != nullptr ? static_cast<int>(peer->reason) : -1);
  if (peer == nullptr || !end.plan.orderly() || !peer->plan.orderly()) return;
  if (end.reason != Reason::closed || peer->reason != Reason::closed) return;
  EXPECT_EQ(end.received, peer->plan.bytes);
  EXPECT_EQ(peer->received, end.plan.bytes);
}

void check_at_rest(const Host& host) {
  const tcp::Context& c = host.engine->context();
  EXPECT_EQ(host.engine->open_connections(), 0u);
  EXPECT_EQ(c.counters.states[static_cast<std::size_t>(State::time_wait)], 0u);
  EXPECT_EQ(c.counters.states[static_cast<std::size_t>(State::closed)], 0u);
  EXPECT_EQ(c.tcbs.in_use(), 0u);
  EXPECT_EQ(c.flows.size(), 0u);
  EXPECT_EQ(c.time_wait.size(), 0u);
  EXPECT_EQ(c.buffers.available_blocks(), c.config.buffer_blocks);
  EXPECT_EQ(host.pool->outstanding(), 0u);
}

void run_seed(std::uint64_t seed, bool chart) {
  World world(seed);
  world.keep_trace(chart);
  StackConfig config;
  config.connections = 64;
  config.time_wait = world.random()() % 4 == 0 ? 16 : 64;  // sometimes too small for all
  config.buffer_blocks = 2'048;
  config.coalesce = world.random()() % 4 != 0;
  if (world.random()() % 3 == 0) config.send_buffer = 4'096;
  if (world.random()() % 3 == 0)
    config.recv_buffer = 2'048 + static_cast<std::uint32_t>(world.random()() % 20'000);
  Host& a = world.add_host(address_a, config);
  Host& b = world.add_host(address_b, config);
  world.join(a, b, random_conditions(world.random()));
  Actor actor_a(a, world), actor_b(b, world);
  a.on_events = [&](std::span<const Event> events) { actor_a.on_events(events); };
  b.on_events = [&](std::span<const Event> events) { actor_b.on_events(events); };
  ASSERT_TRUE(a.engine->listen({IpAddress{}, 80}, 64));
  ASSERT_TRUE(b.engine->listen({IpAddress{}, 80}, 64));

  const std::uint64_t connections = 1 + world.random()() % 12;
  for (std::uint64_t i = 0; i < connections; ++i) {
    Plan mine = random_plan(world.random());
    const Plan theirs = random_plan(world.random());
    // Two applications that both wait for the other's end would wait for ever, and rightly.
    mine.half_close |= !theirs.half_close && !theirs.close_early;
    if (world.random()() % 2 == 0) {
      ASSERT_TRUE(actor_a.connect(b, address_b, 80, mine, theirs, actor_b, i));
    } else {
      ASSERT_TRUE(actor_b.connect(a, address_a, 80, mine, theirs, actor_a, i));
    }
    world.run_until(world.now() + std::chrono::microseconds(world.random()() % 100'000));
  }
  world.run_until(world.now() + 20min);
  // Without keepalive a half-open connection is ended by its owner. Where both ends closed in order
  // there is none.
  actor_a.abort_half_open(actor_b);
  actor_b.abort_half_open(actor_a);
  world.run_until(world.now() + 5min);

  EXPECT_EQ(actor_a.error, "");
  EXPECT_EQ(actor_b.error, "");
  for (Actor* actor : {&actor_a, &actor_b}) {
    Actor& other = actor == &actor_a ? actor_b : actor_a;
    for (const auto& [user, end] : actor->ends) {
      check_end(end, other.find_stream(end.stream ^ 1));
    }
  }
  check_at_rest(a);
  check_at_rest(b);
  if (chart) {
    for (const std::string& line : world.trace()) std::cout << line << '\n';
  }
}

TEST(World, invariants_hold_for_every_seed) {
  if (const char* one = std::getenv("SALUT_SEED"))
    return run_seed(std::strtoull(one, nullptr, 0), true);
  const char* many = std::getenv("SALUT_SEEDS");
  const std::uint64_t seeds = many != nullptr ? std::strtoull(many, nullptr, 0) : 300;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    run_seed(seed, false);
    ASSERT_FALSE(HasFailure()) << "replay: SALUT_SEED=" << seed << " build/tests/sim/sim_world";
  }
}

// The whole life of one connection on a clean link, to the millisecond.
TEST(World, time_wait_lasts_exactly_two_msl) {
  World world(7);
  StackConfig config;
  config.connections = 16;
  config.time_wait = 16;
  config.buffer_blocks = 64;
  Host& a = world.add_host(address_a, config);
  Host& b = world.add_host(address_b, config);
  world.join(a, b, {});
  ASSERT_TRUE(b.engine->listen({IpAddress{}, 80}, 16));
  Instant entered, left;
  const auto waiting = [&] {
    return a.engine->counters().states[static_cast<std::size_t>(State::time_wait)];
  };
  a.on_events = [&](std::span<const Event> events) {
    for (const Event& event : events) {
      if (event.has(Event::connected)) a.engine->close(event.connection);
    }
    if (waiting() == 1 && entered == Instant{}) entered = world.now();
    if (waiting() == 0 && entered != Instant{} && left == Instant{}) left = world.now();
  };
  b.on_events = [&](std::span<const Event> events) {
    for (const Event& event : events) {
      if (event.has(Event::peer_closed)) b.engine->close(event.connection);
    }
  };
  ASSERT_TRUE(a.engine->connect({IpAddress::v4(address_b), 80}, {}, 1, world.now()));
  world.run_until(world.now() + 5min);
  EXPECT_GE(left - entered, 60s);
  EXPECT_LT(left - entered, 60s + 3ms);  // the grain of the tick
}

}  // namespace
}  // namespace salut::sim
