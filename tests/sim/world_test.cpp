// The invariants of the simulation, seed by seed: bytes arrive once and in order, each end
// is told exactly once why, only transitions of the table happen, TIME_WAIT lasts 2MSL, both sides
// end in CLOSED, and every pool is full again. Every eighth seed is a world with an adversary
// (hostile_run.hpp): its honest connections are as quick as without it, within what
// hostile_plan.hpp promises.
//
//   SALUT_SEED=N sim_world    one seed with its sequence chart
//   SALUT_SEEDS=N sim_world   seeds 1..N instead of 1..2000
//   sim_world --soak N        the same without a test around it, with progress; FIRST..LAST too
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "io/sim/world.hpp"
#include "seed_run.hpp"
#include "soak.hpp"

namespace salut::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t address_a = 0x0a000001;
constexpr std::uint32_t address_b = 0x0a000002;

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t default_seeds = 200;
#else
constexpr std::uint64_t default_seeds = 2'000;
#endif

void print(const SoakResult& result) {
  std::printf(
      "%lu seeds in %.0f s: %lu ends of connections, %lu frames (%lu of adversaries), %lu MB, %lu "
      "h of virtual time, %zu ways between states\n",
      result.seeds, result.seconds, result.ends, result.frames, result.attack_frames,
      result.bytes / 1'000'000, result.virtual_ms / 3'600'000, result.edges.count());
}

TEST(World, invariants_hold_for_every_seed) {
  if (const char* one = std::getenv("SALUT_SEED")) {
    const Outcome outcome = run_seed(std::strtoull(one, nullptr, 0), true);
    for (const std::string& line : outcome.chart) std::cout << line << '\n';
    EXPECT_EQ(outcome.error, "");
    return;
  }
  const char* many = std::getenv("SALUT_SEEDS");
  const SoakResult result =
      soak(1, many != nullptr ? std::strtoull(many, nullptr, 0) : default_seeds, 0);
  print(result);
  for (const std::string& failure : result.failures) ADD_FAILURE() << failure;
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

int soak_from_command_line(const std::string& range) {
  const std::size_t dots = range.find("..");
  const bool both = dots != std::string::npos;
  const std::uint64_t first = both ? std::strtoull(range.c_str(), nullptr, 10) : 1;
  const std::uint64_t last = std::strtoull(range.c_str() + (both ? dots + 2 : 0), nullptr, 10);
  if (last < first) {
    std::fprintf(stderr, "--soak N or FIRST..LAST\n");
    return 2;
  }
  const SoakResult result = soak(first, last, 30);
  print(result);
  for (const std::string& failure : result.failures) std::printf("FAILED %s\n", failure.c_str());
  return result.failures.empty() ? 0 : 1;
}

}  // namespace
}  // namespace salut::sim

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--soak") {
    return salut::sim::soak_from_command_line(argv[2]);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
