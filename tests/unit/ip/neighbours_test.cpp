// The cache of both families against a sink that writes down what it is asked, in virtual time.
#include "ip/neighbours.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ip/neighbour_sink.hpp"

namespace salut::ip {
namespace {

class NeighboursTest : public ::testing::TestWithParam<Family> {
 protected:
  explicit NeighboursTest(const NeighbourOptions& options = {.capacity = 4,
                                                             .waiting = 6,
                                                             .waiting_each = 4})
      : neighbours(memory, options) {
    family = GetParam();
  }

  // Frames are told apart by their flags, which the cache does not look at.
  Frame frame(std::uint16_t number) {
    bytes.push_back(std::make_unique<std::array<std::byte, 14>>());
    return Frame{bytes.back()->data(), nullptr, 14, 14, number, 0};
  }
  bool enqueue(std::uint16_t index, std::uint16_t number) {
    Frame one = frame(number);
    return neighbours.enqueue(index, one, now, sink);
  }
  void learn(std::uint32_t ip, const Mac& mac) { neighbours.learn(0, at(ip), mac, now, sink); }
  // In steps of 100 ms, as the engine does it.
  void run(Duration time) {
    for (const Instant end = now + time; now < end;) {
      now += 100ms;
      neighbours.advance(now, sink);
    }
  }
  std::uint16_t reachable_a() {
    const std::uint16_t index = neighbours.find_or_add(0, at(ip_a));
    EXPECT_TRUE(enqueue(index, 1));
    learn(ip_a, mac_a);
    sink.take();
    return index;
  }

  HeapMemory memory;
  Neighbours neighbours;
  FakeSink sink;
  Instant now{1h};
  std::vector<std::unique_ptr<std::array<std::byte, 14>>> bytes;
};

TEST_P(NeighboursTest, new_entry_asks_nobody_until_a_frame_waits) {
  const std::uint16_t index = neighbours.find_or_add(0, at(ip_a));
  EXPECT_EQ(neighbours.state(index), State::idle);
  EXPECT_FALSE(neighbours.resolved(index));
  run(10s);
  EXPECT_EQ(sink.take(), Log{});
}

TEST_P(NeighboursTest, reply_sends_what_waited_in_order) {
  const std::uint16_t index = neighbours.find_or_add(0, at(ip_a));
  EXPECT_TRUE(enqueue(index, 1));
  EXPECT_TRUE(enqueue(index, 2));
  EXPECT_EQ(sink.take(), Log{ask_a});
  EXPECT_EQ(neighbours.state(index), State::incomplete);
  learn(ip_a, mac_a);
  EXPECT_EQ(sink.take(), (Log{"send 1 02:00:00:00:00:0a", "send 2 02:00:00:00:00:0a"}));
  EXPECT_TRUE(neighbours.resolved(index));
  EXPECT_EQ(neighbours.mac(index), mac_a);
  EXPECT_EQ(neighbours.waiting(), 0u);
}

TEST_P(NeighboursTest, frame_for_a_known_neighbour_goes_at_once) {
  const std::uint16_t index = reachable_a();
  EXPECT_TRUE(enqueue(index, 5));
  EXPECT_EQ(sink.take(), Log{"send 5 02:00:00:00:00:0a"});
}

TEST_P(NeighboursTest, unanswered_asks_three_times_a_second_apart_then_gives_frames_back) {
  const std::uint16_t index = neighbours.find_or_add(0, at(ip_a));
  neighbours.hold(index);
  EXPECT_TRUE(enqueue(index, 1));
  EXPECT_TRUE(enqueue(index, 2));
  EXPECT_EQ(sink.take(), Log{ask_a});
  run(900ms);
  EXPECT_EQ(sink.take(), Log{});
  run(100ms);
  EXPECT_EQ(sink.take(), Log{ask_a});
  run(1s);
  EXPECT_EQ(sink.take(), Log{ask_a});
  run(1s);
  EXPECT_EQ(sink.take(), (Log{"lost 1", "lost 2", "nobody at 0"}));
  EXPECT_EQ(neighbours.state(index), State::idle);
  run(10s);
  EXPECT_EQ(sink.take(), Log{});
}

TEST_P(NeighboursTest, failed_is_tried_again_at_the_next_use) {
  const std::uint16_t index = neighbours.find_or_add(0, at(ip_a));
  neighbours.hold(index);
  EXPECT_TRUE(enqueue(index, 1));
  run(3s);
  sink.take();
  EXPECT_TRUE(enqueue(index, 2));
  EXPECT_EQ(sink.take(), Log{ask_a});
  learn(ip_a, mac_a);
  EXPECT_EQ(sink.take(), Log{"send 2 02:00:00:00:00:0a"});
}

TEST_P(NeighboursTest, failed_that_nobody_holds_is_forgotten) {
  EXPECT_TRUE(enqueue(neighbours.find_or_add(0, at(ip_a)), 1));
  run(3s);
  EXPECT_EQ(neighbours.size(), 0u);
  EXPECT_EQ(neighbours.find(0, at(ip_a)), Neighbours::none);
}

TEST_P(NeighboursTest, fifth_frame_for_one_neighbour_stays_the_callers) {
  const std::uint16_t index = neighbours.find_or_add(0, at(ip_a));
  for (std::uint16_t i = 1; i <= 4; ++i) EXPECT_TRUE(enqueue(index, i));
  EXPECT_FALSE(enqueue(index, 5));
  EXPECT_EQ(neighbours.waiting(), 4u);
  learn(ip_a, mac_a);
  EXPECT_EQ(sink.returned, 4u);
}

// What waits for a silent hop makes room: it has been waiting for longest.
TEST_P(NeighboursTest, frame_over_the_total_takes_the_place_of_the_oldest) {
  const std::uint16_t a = neighbours.find_or_add(0, at(ip_a));
  const std::uint16_t b = neighbours.find_or_add(0, at(ip_b));
  for (std::uint16_t i = 1; i <= 4; ++i) EXPECT_TRUE(enqueue(a, i));
  EXPECT_TRUE(enqueue(b, 5));
  EXPECT_TRUE(enqueue(b, 6));
  sink.take();
  EXPECT_TRUE(enqueue(b, 7));
  EXPECT_EQ(sink.take(), Log{"out 1"});
  EXPECT_EQ(neighbours.waiting(), 6u);
  learn(ip_b, mac_b);
  EXPECT_EQ(sink.take(), (Log{"send 5 02:00:00:00:00:0b", "send 6 02:00:00:00:00:0b",
                              "send 7 02:00:00:00:00:0b"}));
  learn(ip_a, mac_a);
  EXPECT_EQ(sink.take(), (Log{"send 2 02:00:00:00:00:0a", "send 3 02:00:00:00:00:0a",
                              "send 4 02:00:00:00:00:0a"}));
}

// Many silent hops with a frame each: who answers still gets his.
TEST_P(NeighboursTest, silent_hops_do_not_keep_frames_from_one_that_answers) {
  for (std::uint32_t i = 1; i < 100; ++i) {
    EXPECT_TRUE(enqueue(neighbours.find_or_add(0, at(ip_b + (i << 24))), 1));
  }
  const std::uint16_t a = neighbours.find_or_add(0, at(ip_a));
  ASSERT_NE(a, Neighbours::none);
  EXPECT_TRUE(enqueue(a, 7));
  sink.take();
  learn(ip_a, mac_a);
  EXPECT_EQ(sink.take(), Log{"send 7 02:00:00:00:00:0a"});
}

// --- a handshake that was completed ------------------------------------------------------------

TEST_P(NeighboursTest, settled_station_is_used_at_once_and_asked_once) {
  const std::uint16_t index = neighbours.settle(0, at(ip_a), mac_a, now, sink);
  ASSERT_NE(index, Neighbours::none);
  neighbours.hold(index);
  EXPECT_EQ(sink.take(), Log{probe_a});
  EXPECT_TRUE(neighbours.resolved(index));
  EXPECT_TRUE(enqueue(index, 1));
  EXPECT_EQ(sink.take(), Log{"send 1 02:00:00:00:00:0a"});
  learn(ip_a, mac_a);
  run(5s);
  EXPECT_EQ(sink.take(), Log{});
}

TEST_P(NeighboursTest, settling_believes_nobody_over_what_is_known) {
  const std::uint16_t index = reachable_a();
  EXPECT_EQ(neighbours.settle(0, at(ip_a), mac_b, now, sink), index);
  EXPECT_EQ(neighbours.mac(index), mac_a);
  EXPECT_EQ(sink.take(), Log{});
}

TEST_P(NeighboursTest, settling_sends_what_waited) {
  const std::uint16_t index = neighbours.find_or_add(0, at(ip_a));
  EXPECT_TRUE(enqueue(index, 4));
  sink.take();
  EXPECT_EQ(neighbours.settle(0, at(ip_a), mac_a, now, sink), index);
  EXPECT_EQ(sink.take(), (Log{probe_a, "send 4 02:00:00:00:00:0a"}));
}

TEST_P(NeighboursTest, lie_in_a_handshake_lasts_as_long_as_its_probes) {
  const std::uint16_t index = neighbours.settle(0, at(ip_a), mac_b, now, sink);
  neighbours.hold(index);
  run(3s);
  EXPECT_FALSE(neighbours.resolved(index)) << "everybody is asked";
  learn(ip_a, mac_a);
  EXPECT_EQ(neighbours.mac(index), mac_a);
}

TEST(Neighbours, link_names_a_port_and_no_station) {
  HeapMemory memory;
  Neighbours neighbours(memory, {.capacity = 4, .links = 2});
  EXPECT_EQ(neighbours.capacity(), 4u);
  for (std::uint16_t port = 0; port < 2; ++port) {
    const std::uint16_t index = Neighbours::link(port);
    EXPECT_TRUE(neighbours.is_link(index));
    EXPECT_TRUE(neighbours.resolved(index));
    EXPECT_EQ(neighbours.port(index), port);
    EXPECT_TRUE(neighbours.mac(index).is_zero());
    neighbours.hold(index);
    neighbours.release(index);
  }
  for (std::uint32_t i = 0; i < 100; ++i) {
    const std::uint16_t index = neighbours.find_or_add(0, at(ip_a + (i << 24)));
    ASSERT_NE(index, Neighbours::none);
    EXPECT_FALSE(neighbours.is_link(index));
  }
}

// Not even when all else is known or held: it is in no index, and who took it out looked for ever.
TEST(Neighbours, link_is_not_evicted_by_a_full_table_of_known_stations) {
  family = Family::v4;
  HeapMemory memory;
  FakeSink sink;
  Neighbours neighbours(memory, {.capacity = 4, .links = 2});
  for (std::uint16_t port = 0; port < 2; ++port) {
    neighbours.hold(Neighbours::link(port));
    neighbours.release(Neighbours::link(port));
  }
  for (std::uint32_t i = 0; i < 100; ++i) {
    const Address ip = at(ip_a + (i << 24));
    const std::uint16_t index = neighbours.find_or_add(0, ip);
    ASSERT_NE(index, Neighbours::none);
    ASSERT_FALSE(neighbours.is_link(index));
    neighbours.learn(0, ip, mac_a, Instant{}, sink, false);
  }
}

// Without the seed nobody can choose addresses that begin at one slot: those of one seed are spread
// by another.
TEST(Neighbours, addresses_that_collide_do_so_for_one_seed_only) {
  family = Family::v4;
  HeapMemory memory;
  Neighbours one(memory, {.capacity = 4'096, .seed = 1});
  Neighbours other(memory, {.capacity = 4'096, .seed = 2});
  std::map<std::uint32_t, unsigned> homes;
  unsigned collisions = 0;
  for (std::uint32_t i = 0; collisions < 64; ++i) {
    const Address ip = at(net32(0x0a000000 + i));
    if (one.home(0, ip) != 7) continue;
    ++collisions;
    ++homes[other.home(0, ip)];
  }
  EXPECT_GT(homes.size(), 56u);
}

TEST_P(NeighboursTest, held_entry_is_probed_at_its_old_mac_and_stays_usable) {
  const std::uint16_t index = reachable_a();
  neighbours.hold(index);
  run(59'900ms);
  EXPECT_EQ(sink.take(), Log{});
  run(100ms);
  EXPECT_EQ(sink.take(), Log{probe_a});
  EXPECT_EQ(neighbours.state(index), State::probing);
  EXPECT_TRUE(neighbours.resolved(index));
  learn(ip_a, mac_a);
  EXPECT_EQ(neighbours.state(index), State::reachable);
  run(59s);
  EXPECT_EQ(sink.take(), Log{});
}

TEST_P(NeighboursTest, unanswered_probes_become_broadcasts_then_failure) {
  const std::uint16_t index = reachable_a();
  neighbours.hold(index);
  run(62s);
  EXPECT_EQ(sink.take(), (Log{probe_a, probe_a, probe_a}));
  EXPECT_TRUE(neighbours.resolved(index));
  run(1s);
  EXPECT_EQ(sink.take(), Log{ask_a});
  EXPECT_FALSE(neighbours.resolved(index));
  EXPECT_TRUE(enqueue(index, 9));
  run(2s);
  EXPECT_EQ(sink.take(), (Log{ask_a, ask_a}));
  run(1s);
  EXPECT_EQ(sink.take(), (Log{"lost 9", "nobody at 0"}));
  EXPECT_EQ(neighbours.state(index), State::idle);
}

TEST_P(NeighboursTest, unused_entry_goes_when_it_is_old_without_a_probe) {
  reachable_a();
  run(60s);
  EXPECT_EQ(sink.take(), Log{});
  EXPECT_EQ(neighbours.size(), 0u);
}

TEST_P(NeighboursTest, entry_that_was_looked_up_is_probed_once_more_than_it_is_used) {
  reachable_a();
  run(30s);
  neighbours.find_or_add(0, at(ip_a));
  run(30s);
  EXPECT_EQ(sink.take(), Log{probe_a});
  learn(ip_a, mac_a);
  run(60s);
  EXPECT_EQ(sink.take(), Log{});
  EXPECT_EQ(neighbours.size(), 0u);
}

TEST_P(NeighboursTest, entry_that_was_not_used_while_probed_goes_without_a_broadcast) {
  reachable_a();
  neighbours.find_or_add(0, at(ip_a));
  run(62s);
  EXPECT_EQ(sink.take(), (Log{probe_a, probe_a, probe_a}));
  run(1s);
  EXPECT_EQ(sink.take(), Log{});
  EXPECT_EQ(neighbours.size(), 0u);
}

TEST_P(NeighboursTest, changed_mac_is_taken_by_an_entry_that_exists) {
  const std::uint16_t index = reachable_a();
  learn(ip_a, mac_b);
  EXPECT_EQ(neighbours.mac(index), mac_b);
  EXPECT_TRUE(enqueue(index, 3));
  EXPECT_EQ(sink.take(), Log{"send 3 02:00:00:00:00:0b"});
}

TEST_P(NeighboursTest, stranger_makes_no_entry) {
  learn(ip_a, mac_a);
  EXPECT_EQ(neighbours.size(), 0u);
}

TEST_P(NeighboursTest, request_to_us_may_make_one_in_free_room_only) {
  for (std::uint32_t i = 0; i < 6; ++i)
    neighbours.learn(0, at(ip_a + (i << 24)), mac_a, now, sink, true);
  EXPECT_EQ(neighbours.size(), 4u);
  const std::uint16_t index = neighbours.find(0, at(ip_a));
  ASSERT_NE(index, Neighbours::none);
  EXPECT_TRUE(neighbours.resolved(index));
  EXPECT_EQ(neighbours.find(0, at(ip_a + (5u << 24))), Neighbours::none);
}

TEST_P(NeighboursTest, mac_that_is_no_station_and_address_zero_are_not_learnt) {
  const std::uint16_t index = neighbours.find_or_add(0, at(ip_a));
  learn(ip_a, broadcast_mac);
  learn(ip_a, Mac{});
  EXPECT_FALSE(neighbours.resolved(index));
  neighbours.learn(0, at(0), mac_a, now, sink, true);
  EXPECT_EQ(neighbours.size(), 1u);
}

TEST_P(NeighboursTest, fixed_entry_is_asked_for_by_nobody_and_believes_nobody) {
  EXPECT_FALSE(neighbours.fix(0, at(ip_a), broadcast_mac));
  ASSERT_TRUE(neighbours.fix(0, at(ip_a), mac_a));
  EXPECT_FALSE(neighbours.fix(0, at(ip_a), mac_b)) << "once";
  const std::uint16_t index = neighbours.find(0, at(ip_a));
  learn(ip_a, mac_b);
  for (std::uint32_t i = 1; i < 9; ++i) neighbours.find_or_add(0, at(ip_a + (i << 24)));
  now += 300s;
  neighbours.advance(now, sink);
  EXPECT_EQ(neighbours.find(0, at(ip_a)), index) << "not evicted, not old";
  EXPECT_TRUE(enqueue(index, 3));
  EXPECT_EQ(sink.take(), Log{"send 3 02:00:00:00:00:0a"});
}

TEST_P(NeighboursTest, same_address_on_two_ports_is_two_neighbours) {
  const std::uint16_t one = neighbours.find_or_add(0, at(ip_a));
  const std::uint16_t two = neighbours.find_or_add(1, at(ip_a));
  EXPECT_NE(one, two);
  EXPECT_TRUE(enqueue(two, 1));
  EXPECT_EQ(sink.take(), Log{"ask 1 2 all"});
  learn(ip_a, mac_a);
  EXPECT_TRUE(neighbours.resolved(one));
  EXPECT_FALSE(neighbours.resolved(two));
}

TEST_P(NeighboursTest, full_table_evicts_what_was_not_used_for_longest) {
  for (std::uint32_t i = 0; i < 4; ++i) neighbours.find_or_add(0, at(ip_a + (i << 24)));
  neighbours.find_or_add(0, at(ip_a));  // used again: the second is the oldest now
  EXPECT_NE(neighbours.find_or_add(0, at(ip_a + (9u << 24))), Neighbours::none);
  EXPECT_NE(neighbours.find(0, at(ip_a)), Neighbours::none);
  EXPECT_EQ(neighbours.find(0, at(ip_a + (1u << 24))), Neighbours::none);
  EXPECT_EQ(neighbours.size(), 4u);
}

TEST_P(NeighboursTest, full_table_keeps_held_entries) {
  for (std::uint32_t i = 0; i < 4; ++i)
    neighbours.hold(neighbours.find_or_add(0, at(ip_a + (i << 24))));
  EXPECT_EQ(neighbours.find_or_add(0, at(ip_a + (9u << 24))), Neighbours::none);
  neighbours.release(neighbours.find(0, at(ip_a + (1u << 24))));
  EXPECT_NE(neighbours.find_or_add(0, at(ip_a + (9u << 24))), Neighbours::none);
  EXPECT_EQ(neighbours.find(0, at(ip_a + (1u << 24))), Neighbours::none);
  EXPECT_NE(neighbours.find(0, at(ip_a)), Neighbours::none);
}

// However many are invented: who has answered is not forgotten for one who never did.
TEST_P(NeighboursTest, flood_of_addresses_evicts_its_own_frames_and_all) {
  reachable_a();
  for (std::uint32_t i = 1; i < 200; ++i) {
    const std::uint16_t index = neighbours.find_or_add(0, at(ip_b + (i << 24)));
    ASSERT_NE(index, Neighbours::none);
    EXPECT_TRUE(enqueue(index, static_cast<std::uint16_t>(i)));
  }
  EXPECT_NE(neighbours.find(0, at(ip_a)), Neighbours::none);
  sink.take();
  run(5s);
  EXPECT_EQ(neighbours.size(), 1u);
  EXPECT_EQ(neighbours.waiting(), 0u);
  EXPECT_EQ(sink.returned, 200u) << "every frame came back, that of the known one too";
}

TEST_P(NeighboursTest, holds_are_counted) {
  const std::uint16_t index = neighbours.find_or_add(0, at(ip_a));
  neighbours.hold(index);
  neighbours.hold(index);
  neighbours.release(index);
  EXPECT_EQ(neighbours.holds(index), 1u);
  for (std::uint32_t i = 1; i < 9; ++i) neighbours.find_or_add(0, at(ip_a + (i << 24)));
  EXPECT_EQ(neighbours.find(0, at(ip_a)), index);
}

// The engine ends the connection of a frame that comes back: release() from inside the sink.
TEST_P(NeighboursTest, sink_may_call_back) {
  struct Calling : FakeSink {
    Neighbours* neighbours = nullptr;
    std::uint16_t index = 0;
    void unresolved(Frame& frame) override {
      FakeSink::unresolved(frame);
      neighbours->release(index);
      neighbours->find_or_add(0, at(ip_b));
    }
  } calling;
  calling.neighbours = &neighbours;
  calling.index = neighbours.find_or_add(0, at(ip_a));
  neighbours.hold(calling.index);
  Frame one = frame(1);
  ASSERT_TRUE(neighbours.enqueue(calling.index, one, now, calling));
  for (int i = 0; i < 40; ++i) neighbours.advance(now += 100ms, calling);
  EXPECT_EQ(calling.returned, 1u);
  EXPECT_EQ(neighbours.holds(calling.index), 0u);
  EXPECT_EQ(neighbours.size(), 2u);
}

TEST(Neighbours, work_of_one_advance_is_bounded) {
  HeapMemory memory;
  Neighbours neighbours(memory, {.capacity = 1000, .waiting = 1000});
  FakeSink sink;
  std::array<std::byte, 14> bytes = {};
  Instant now{0s};
  for (std::uint32_t i = 0; i < 1000; ++i) {
    Frame frame{bytes.data(), nullptr, 14, 14, 0, 0};
    ASSERT_TRUE(
        neighbours.enqueue(neighbours.find_or_add(0, at(net32(0x0a000000 + i))), frame, now, sink));
  }
  sink.take();
  now += 1s;
  neighbours.advance(now, sink);
  EXPECT_EQ(sink.take().size(), Neighbours::advance_max);
  for (int i = 0; i < 3; ++i) neighbours.advance(now, sink);
  EXPECT_EQ(sink.take().size(), 1000 - Neighbours::advance_max);
}

INSTANTIATE_TEST_SUITE_P(Families, NeighboursTest, ::testing::Values(Family::v4, Family::v6),
                         [](const auto& given) { return given.param == Family::v4 ? "v4" : "v6"; });

}  // namespace
}  // namespace salut::ip
