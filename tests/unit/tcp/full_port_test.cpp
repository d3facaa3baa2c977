// A device that takes less than we have for it: what has time waits and is not lost.
#include <gtest/gtest.h>

#include <cstring>
#include <span>

#include "harness.hpp"

namespace salut::test {
namespace {

using namespace std::chrono_literals;

// A port whose device takes nothing for now; `most` frames wait for it.
void fill_port(Harness& h, unsigned most = ip::Interfaces::staged_max / 4 * 3) {
  h.device().accept = 0;
  ip::Interfaces& links = h.engine().context().interfaces;
  for (unsigned i = 0; i < most; ++i) {
    Frame frame;
    ASSERT_TRUE(links.acquire(frame));
    std::memset(frame.data, 0, 60);
    frame.leave_by(0, 60);
    links.stage(frame);
  }
}
void empty_port(Harness& h) {
  h.device().accept = ~0u;
  h.settle();
  h.others.clear();
}

TEST(FullPort, established_rto_counts_from_when_the_data_left) {
  Harness h(small_config(), 1, 8192);
  h.established();
  fill_port(h);
  h.engine().write(h.conn, std::as_bytes(std::span("hello", 5)));
  for (int i = 0; i < 900; ++i) {
    h.jump(h.now() + 1ms);
    h.turn();
  }
  h.expect_nothing();
  empty_port(h);
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 5});
  h.expect_after(1s, {.flags = "A", .seq = 1, .ack = 1, .len = 5});
}

TEST(FullPort, established_probe_of_a_shut_window_is_not_forgotten) {
  Harness h(small_config(), 1, 8192);
  h.established();
  h.send({.wnd = 0});
  EXPECT_EQ(h.write("hello"), 5u);
  h.jump(h.now() + 900ms);
  h.turn();
  h.expect_nothing();
  fill_port(h);
  for (int i = 0; i < 200; ++i) {  // over the time of the probe
    h.jump(h.now() + 1ms);
    h.turn();
  }
  empty_port(h);
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
}

std::uint64_t lost(Harness& h) {
  return h.engine().counters().drops[static_cast<std::size_t>(Drop::tx_full)];
}

TEST(FullPort, syn_waits_and_leaves_once) {
  Harness h(small_config(), 1, 8192);
  h.resolve_peer();
  h.turn();
  fill_port(h);
  const auto made = h.engine().connect({peer_address(), peer_port}, {}, 7, h.now());
  ASSERT_TRUE(made);
  for (int i = 0; i < 50; ++i) {
    h.jump(h.now() + 1ms);
    h.turn();
  }
  h.expect_nothing();
  EXPECT_TRUE(h.engine().saturated());
  empty_port(h);
  EXPECT_FALSE(h.engine().saturated());
  h.expect({.flags = "S", .seq = 0, .mss = 1460});
  EXPECT_EQ(h.engine().counters().retransmits, 0u);
  EXPECT_EQ(lost(h), 0u);
}

TEST(FullPort, syn_ack_waits_and_leaves_once) {
  Harness h(small_config(), 1, 8192);
  h.listen();
  fill_port(h);
  h.send({.flags = "S", .mss = 1460});
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::syn_received);
  empty_port(h);
  h.expect({.flags = "SA", .seq = 0, .ack = 1, .mss = 1460});
  EXPECT_EQ(h.engine().counters().retransmits, 0u);
  EXPECT_EQ(lost(h), 0u);
}

// What cannot wait has the last quarter; where that is short too a burst stays with the device.
TEST(FullPort, burst_that_cannot_be_answered_is_left_with_the_device) {
  Harness h(small_config(), 1, 8192);
  h.established();
  fill_port(h, ip::Interfaces::staged_max - 2 * tcp::burst + 1);
  const std::uint64_t before = h.engine().counters().rx_frames;
  h.queue({.flags = "FA"});
  h.turn();
  EXPECT_EQ(h.engine().counters().rx_frames, before);
  EXPECT_EQ(h.state(), State::established);
  empty_port(h);
  EXPECT_EQ(h.engine().counters().rx_frames, before + 1);
  h.expect({.flags = "A", .seq = 1, .ack = 2});
  h.expect_event(Event::peer_closed);
  EXPECT_EQ(h.state(), State::close_wait);
  EXPECT_EQ(lost(h), 0u);
}

// Nobody takes anything any more: timers, not room, decide what becomes of connections.
TEST(FullPort, device_that_is_stuck_for_a_tenth_of_a_second_holds_nothing_up) {
  Harness h(small_config(), 1, 8192);
  h.established();
  fill_port(h, ip::Interfaces::staged_max);
  const ip::Interfaces& links = h.engine().context().interfaces;
  h.turn();
  EXPECT_FALSE(links.has_room_for_output(0, h.now()));
  EXPECT_FALSE(links.has_room_for_answers(0, tcp::burst, h.now()));
  h.jump(h.now() + ip::Interfaces::stuck_after + 1ms);
  EXPECT_TRUE(links.has_room_for_output(0, h.now()));
  EXPECT_TRUE(links.has_room_for_answers(0, tcp::burst, h.now()));
  h.send({.flags = "FA"});
  h.expect_event(Event::peer_closed);
  EXPECT_EQ(h.state(), State::close_wait);
}

}  // namespace
}  // namespace salut::test
