// A loop that stood still, as on a core that something else had for 10 ms: what came meanwhile lies
// in the queue, ACKs among it, and no timer fires before they are seen.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

#include "io/sim/world.hpp"

namespace salut::test {
namespace {

using std::chrono::milliseconds;

constexpr unsigned connections = 200;  // several bursts of ACKs

struct Paused {
  Paused() {
    StackConfig config;
    config.connections = 512;
    config.time_wait = 512;
    config.buffer_blocks = 4'096;
    sender = &world.add_host(0x0a000001, config);
    receiver = &world.add_host(0x0a000002, config);
    world.join(*sender, *receiver, {});
    EXPECT_TRUE(receiver->engine->listen({IpAddress{}, 80}, 512));
    receiver->on_events = [this](std::span<const Event> events) {
      std::array<std::byte, 8'192> bytes;
      for (const Event& event : events) {
        while (receiver->engine->read(event.connection, bytes).value_or(0) > 0) {
        }
      }
    };
    for (unsigned i = 0; i < connections; ++i) {
      const auto made =
          sender->engine->connect({IpAddress::v4(0x0a000002), 80}, {}, 0, world.now());
      EXPECT_TRUE(made);
      opened.push_back(made.value_or(Connection{}));
    }
    run(milliseconds{2'000});  // 64 frames wait for the MAC, the other SYNs are sent again
    write();                   // a sample of the round trip
    run(milliseconds{500});
    EXPECT_EQ(counters().states[static_cast<std::size_t>(State::established)], connections);
  }
  void run(Duration duration) { world.run_until(world.now() + duration); }
  // Two segments each: the receiver acknowledges them at once.
  void write() {
    const std::vector<std::byte> bytes(2'800);
    for (const Connection one : opened) {
      EXPECT_EQ(sender->engine->write(one, bytes).value_or(0), bytes.size());
    }
  }
  const Counters& counters() const { return sender->engine->counters(); }

  sim::World world{1};
  sim::Host* sender = nullptr;
  sim::Host* receiver = nullptr;
  std::vector<Connection> opened;
};

TEST(CatchUp, acks_that_came_in_a_pause_are_seen_before_tail_probes_and_timeouts_fire) {
  for (const Duration pause : {milliseconds{10}, milliseconds{1'500}}) {
    Paused p;
    const std::uint64_t before = p.counters().retransmits;
    p.write();
    p.run(std::chrono::microseconds{20});  // they leave, and nothing is back yet
    p.sender->paused_until = p.world.now() + pause;
    p.run(pause + milliseconds{500});
    EXPECT_EQ(p.counters().retransmits, before) << pause.count();
    EXPECT_EQ(p.counters().tail_probes, 0u) << pause.count();
  }
}

// A call just before the turn moves the clock to its own time. The loop stood still for as long all
// the same.
TEST(CatchUp, call_at_the_end_of_a_pause_does_not_hide_it) {
  Paused p;
  const std::uint64_t before = p.counters().retransmits;
  p.write();
  p.run(std::chrono::microseconds{20});
  p.sender->paused_until = p.world.now() + milliseconds{1'500};
  p.run(milliseconds{1'499});
  p.sender->engine->set_now(p.world.now());
  p.run(milliseconds{501});
  EXPECT_EQ(p.counters().retransmits, before);
  EXPECT_EQ(p.counters().tail_probes, 0u);
}

// A loop whose every turn takes 2 ms, and which finds more to receive than it takes, has timers all
// the same.
TEST(CatchUp, loop_that_never_catches_up_does_not_forget_its_timers) {
  Paused p;
  const std::uint64_t before = p.counters().tail_probes;
  p.write();
  p.run(std::chrono::microseconds{20});
  p.receiver->paused_until = Instant::max();  // nobody answers
  p.sender->on_events = [&p](std::span<const Event>) {
    std::array<Frame, 128> frames;
    ASSERT_TRUE(p.receiver->pool->acquire(frames.data(), frames.size()));
    for (Frame& frame : frames) {
      frame.length = 64;
      std::memset(frame.data, 0xff, frame.length);  // of no protocol that we know
    }
    p.receiver->end->transmit(frames.data(), frames.size());
    p.sender->paused_until = p.world.now() + milliseconds{2};
  };
  p.run(milliseconds{500});
  EXPECT_GE(p.counters().tail_probes - before, connections);
}

}  // namespace
}  // namespace salut::test
