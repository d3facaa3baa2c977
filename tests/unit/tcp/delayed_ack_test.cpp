// When an ACK may wait, and for how long (RFC 9293 §3.8.6.3, RFC 1122 §4.2.3.2, RFC 5681 §4.2).
#include "agreed.hpp"

namespace salut::test {
namespace {

constexpr unsigned segment = 100;  // bytes

StackConfig delaying() {
  StackConfig config = small_config();
  config.delayed_ack = 40ms;
  return config;
}

std::string text() { return std::string(segment, 'x'); }

// ESTABLISHED, past the ACKs that the peer's slow start gets at once. Returns RCV.NXT.
std::uint32_t steady(Harness& h) {
  if (!h.engine().info(h.conn)) h.established();
  for (int i = 0; i < 16; ++i) h.send({.payload = text()});
  EXPECT_EQ(h.sent.size(), 16u) << "each at once";
  h.sent.clear();
  h.events.clear();
  h.read();
  return h.peer_nxt;
}

// One segment that is not acknowledged yet.
std::uint32_t one_waits(Harness& h) {
  const std::uint32_t nxt = steady(h);
  h.send({.payload = text()});
  h.expect_event(Event::readable);
  h.expect_nothing();
  return nxt + segment;
}

TEST(DelayedAck, first_segments_acked_at_once) {
  Harness h(delaying());
  h.established();
  for (std::uint32_t i = 1; i <= 16; ++i) {
    h.send({.payload = text()});
    h.expect({.flags = "A", .seq = 1, .ack = 1 + i * segment});
    h.expect_event(Event::readable);
  }
  h.send({.payload = text()});
  h.expect_event(Event::readable);
  h.expect_nothing();
}

TEST(DelayedAck, off_every_segment_acked_at_once) {
  Harness h;
  h.established();
  for (std::uint32_t i = 1; i <= 40; ++i) {
    h.send({.payload = text()});
    h.expect({.flags = "A", .seq = 1, .ack = 1 + i * segment});
    h.expect_event(Event::readable);
  }
}

TEST(DelayedAck, second_segment_acks_both) {
  Harness h(delaying());
  const std::uint32_t nxt = one_waits(h);
  h.send({.payload = text()});
  h.expect({.flags = "A", .seq = 1, .ack = nxt + segment});
  h.expect_event(Event::readable);
  h.advance(100ms);
  h.expect_nothing();  // and the timer has nothing more to say
}

TEST(DelayedAck, every_second_segment_of_a_stream) {
  Harness h(delaying());
  const std::uint32_t nxt = steady(h);
  for (std::uint32_t i = 1; i <= 30; ++i) {
    h.send({.payload = text()});
    if (i % 2 == 0) h.expect({.flags = "A", .seq = 1, .ack = nxt + i * segment});
    h.expect_nothing();
    h.read();
  }
  h.events.clear();
}

TEST(DelayedAck, one_segment_after_40_ms) {
  Harness h(delaying());
  const std::uint32_t nxt = one_waits(h);
  h.expect_after(40ms, {.flags = "A", .seq = 1, .ack = nxt});
  h.advance(1s);
  h.expect_nothing();
}

TEST(DelayedAck, any_time_that_is_configured) {
  for (const Duration wait : {Duration(1ms), Duration(5ms), Duration(200ms), Duration(500ms)}) {
    StackConfig config = delaying();
    config.delayed_ack = wait;
    Harness h(config);
    const std::uint32_t nxt = one_waits(h);
    h.expect_after(wait, {.flags = "A", .seq = 1, .ack = nxt});
  }
}

TEST(DelayedAck, each_segment_has_its_own_40_ms) {
  Harness h(delaying());
  std::uint32_t nxt = one_waits(h);
  for (int i = 0; i < 5; ++i) {
    h.expect_after(40ms, {.flags = "A", .seq = 1, .ack = nxt});
    h.advance(7ms);
    h.send({.payload = text()});
    h.expect_event(Event::readable);
    h.expect_nothing();
    nxt += segment;
  }
  h.expect_after(40ms, {.flags = "A", .seq = 1, .ack = nxt});
}

// The wheel still has the entry of the first wait when the second begins.
TEST(DelayedAck, second_wait_does_not_end_with_the_first) {
  Harness h(delaying());
  const std::uint32_t nxt = one_waits(h);
  h.advance(20ms);
  h.send({.payload = text()});
  h.expect({.flags = "A", .seq = 1, .ack = nxt + segment});
  h.send({.payload = text()});
  h.events.clear();
  h.expect_after(40ms, {.flags = "A", .seq = 1, .ack = nxt + 2 * segment});
}

TEST(DelayedAck, short_segment_waits_beside_a_full_one) {
  Harness h(delaying());
  const std::uint32_t nxt = one_waits(h);
  h.send({.payload = "short"});  // not two full segments yet
  h.expect_event(Event::readable);
  h.expect_nothing();
  h.expect_after(40ms, {.flags = "A", .seq = 1, .ack = nxt + 5});
}

TEST(DelayedAck, rides_on_data_and_is_then_paid) {
  Harness h(delaying());
  const std::uint32_t nxt = one_waits(h);
  h.advance(10ms);
  h.write("answer");
  h.expect({.flags = "A", .seq = 1, .ack = nxt, .len = 6});
  h.send({});
  h.advance(1s);
  h.expect_nothing();
}

TEST(DelayedAck, rides_on_the_fin) {
  Harness h(delaying());
  const std::uint32_t nxt = one_waits(h);
  h.read();
  h.shutdown();
  h.expect({.flags = "FA", .seq = 1, .ack = nxt});
  h.send({});
  h.advance(1s);
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::fin_wait_2);
}

TEST(DelayedAck, fin_acked_at_once) {
  Harness h(delaying());
  const std::uint32_t nxt = steady(h);
  h.send({.flags = "FA"});
  h.expect({.flags = "A", .seq = 1, .ack = nxt + 1});
  h.expect_event(Event::peer_closed);
}

TEST(DelayedAck, fin_with_data_acked_at_once) {
  Harness h(delaying());
  const std::uint32_t nxt = steady(h);
  h.send({.flags = "FA", .payload = "bye"});
  h.expect({.flags = "A", .seq = 1, .ack = nxt + 4});
  h.expect_event(Event::readable | Event::peer_closed);
}

TEST(DelayedAck, fin_behind_a_waiting_segment_acks_both) {
  Harness h(delaying());
  const std::uint32_t nxt = one_waits(h);
  h.send({.flags = "FA"});
  h.expect({.flags = "A", .seq = 1, .ack = nxt + 1});
  h.expect_event(Event::peer_closed);
  h.advance(1s);
  h.expect_nothing();
}

TEST(DelayedAck, data_out_of_order_acked_at_once) {
  Harness h(delaying());
  const std::uint32_t nxt = steady(h);
  h.send({.seq = nxt + segment, .payload = text()});
  h.expect({.flags = "A", .seq = 1, .ack = nxt});
  h.send({.seq = nxt + 2 * segment, .payload = text()});
  h.expect({.flags = "A", .seq = 1, .ack = nxt});
  h.send({.seq = nxt, .payload = text()});  // fills the gap: at once too (RFC 5681 §4.2)
  h.expect({.flags = "A", .seq = 1, .ack = nxt + 3 * segment});
  h.expect_event(Event::readable);
}

TEST(DelayedAck, part_of_a_gap_acked_at_once) {
  Harness h(delaying());
  const std::uint32_t nxt = steady(h);
  h.send({.seq = nxt + 2 * segment, .payload = text()});
  h.expect({.flags = "A", .seq = 1, .ack = nxt});
  h.send({.seq = nxt, .payload = text()});
  h.expect({.flags = "A", .seq = 1, .ack = nxt + segment});
  h.expect_event(Event::readable);
}

TEST(DelayedAck, repeated_data_acked_at_once) {
  Harness h(delaying());
  const std::uint32_t nxt = one_waits(h);
  h.send({.seq = nxt - segment, .payload = text()});
  h.expect({.flags = "A", .seq = 1, .ack = nxt});
  h.expect_no_event();
}

TEST(DelayedAck, overlap_acked_at_once) {
  Harness h(delaying());
  const std::uint32_t nxt = steady(h);
  h.send({.seq = nxt - 10, .payload = text()});
  h.expect({.flags = "A", .seq = 1, .ack = nxt + segment - 10});
  h.expect_event(Event::readable);
}

TEST(DelayedAck, data_that_found_no_room_acked_at_once) {
  StackConfig config = delaying();
  config.recv_buffer = 2048;
  Harness h(config);
  h.established();
  for (int i = 0; i < 20; ++i) h.send({.payload = text()});
  h.sent.clear();
  h.send({.payload = text()});  // 48 bytes of it
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .wnd = 0});
  h.events.clear();
}

TEST(DelayedAck, window_update_pays_it) {
  StackConfig config = delaying();
  config.recv_buffer = 2048;
  Harness h(config);
  h.established();
  for (int i = 0; i < 18; ++i) h.send({.payload = text()});
  h.expect_event(Event::readable);
  h.events.clear();
  h.sent.clear();
  h.send({.payload = text()});
  h.expect_event(Event::readable);
  h.expect_nothing();
  h.read();
  h.expect({.flags = "A", .seq = 1, .ack = 1901, .wnd = 2048});
  h.advance(1s);
  h.expect_nothing();
}

TEST(DelayedAck, ack_alone_and_window_update_of_the_peer_do_not_end_it) {
  Harness h(delaying());
  const std::uint32_t nxt = one_waits(h);
  h.advance(10ms);
  h.send({.wnd = 4000});
  h.send({.wnd = 5000});
  h.expect_nothing();
  h.expect_after(30ms - tick, {.flags = "A", .seq = 1, .ack = nxt});
}

TEST(DelayedAck, loop_that_stalled_pays_in_its_first_turn) {
  for (const Duration stall : {Duration(45ms), Duration(1s), Duration(1h), Duration(100h)}) {
    Harness h(delaying());
    const std::uint32_t nxt = one_waits(h);
    h.jump(h.now() + stall);
    h.turn();
    h.settle();
    h.expect({.flags = "A", .seq = 1, .ack = nxt});
    h.advance(1s);
    h.expect_nothing();
  }
}

TEST(DelayedAck, across_the_wrap_of_the_tick_counter) {
  const Instant wrap{Duration{std::int64_t{1} << 52}};
  for (const Duration before : {Duration(1us), Duration(1ms), Duration(20ms), Duration(39ms),
                                Duration(40ms), Duration(41ms)}) {
    SCOPED_TRACE(before.count());
    Harness h(delaying());
    h.established();
    while (h.now() < wrap - 1min) {
      h.jump(std::min(h.now() + 100h, wrap - 1min));
      h.settle();
    }
    steady(h);
    h.jump(wrap - before);
    h.settle();
    h.send({.payload = text()});
    h.expect_event(Event::readable);
    h.expect_nothing();
    h.expect_after(40ms, {.flags = "A", .seq = 1, .ack = h.peer_nxt});
    h.advance(1s);
    h.expect_nothing();
  }
}

TEST(DelayedAck, burst_of_many_segments_one_ack) {
  Harness h(delaying());
  const std::uint32_t nxt = steady(h);
  for (int i = 0; i < 7; ++i) h.queue({.payload = text()});
  h.settle();
  h.expect({.flags = "A", .seq = 1, .ack = nxt + 7 * segment});
  h.events.clear();
}

TEST(DelayedAck, connection_that_ends_meanwhile_sends_nothing_later) {
  for (const bool reset : {true, false}) {
    Harness h(delaying());
    one_waits(h);
    if (reset) {
      h.send({.flags = "R"});
      h.expect_closed(Reason::reset);
    } else {
      h.abort();
      EXPECT_TRUE(h.take().segment.flags & wire::rst);
      h.expect_closed(Reason::aborted);
    }
    h.advance(1s);
    h.expect_nothing();
  }
}

TEST(DelayedAck, half_closed_side_delays_too) {
  Harness h(delaying());
  const std::uint32_t nxt = steady(h);
  h.shutdown();
  h.expect({.flags = "FA", .seq = 1, .ack = nxt});
  h.send({});
  h.send({.payload = text()});
  h.expect_event(Event::readable);
  h.expect_after(40ms, {.flags = "A", .seq = 2, .ack = nxt + segment});
}

// --- bursts --------------------------------------------------------------------------------------

std::string full() { return std::string(1460, 'x'); }

void expect_acks(Harness& h, std::initializer_list<std::uint32_t> acks) {
  for (const std::uint32_t ack : acks) h.expect({.flags = "A", .seq = 1, .ack = ack});
  h.expect_nothing();
  h.events.clear();
}

TEST(AckBurst, established_full_segments_an_ack_for_each_two) {
  Harness h;
  h.established();
  for (int i = 0; i < 5; ++i) h.queue({.payload = full()});
  h.settle();
  expect_acks(h, {1 + 2 * 1460, 1 + 4 * 1460, 1 + 5 * 1460});
}

TEST(AckBurst, established_past_the_peers_slow_start_one_ack) {
  Harness h;
  h.established();
  for (int i = 0; i < 16; ++i) h.send({.payload = full()});
  h.read();
  h.sent.clear(), h.events.clear();
  const std::uint32_t nxt = h.peer_nxt;
  for (int i = 0; i < 5; ++i) h.queue({.payload = full()});
  h.settle();
  expect_acks(h, {nxt + 5 * 1460});
}

TEST(AckBurst, established_small_segments_one_ack) {
  Harness h;
  h.established();
  for (int i = 0; i < 5; ++i) h.queue({.payload = std::string(200, 'x')});
  h.settle();
  expect_acks(h, {1001});
}

TEST(AckBurst, established_beyond_a_gap_an_ack_each) {
  for (const bool sack : {false, true}) {
    Harness h(only({.sack = sack}));
    agree(h, {.sack = sack});
    const std::uint32_t gap = h.peer_nxt;
    for (std::uint32_t i = 1; i < 5; ++i) h.queue({.seq = gap + i * 1460, .payload = full()});
    h.settle();
    expect_acks(h, {gap, gap, gap, gap});
  }
}

TEST(AckBurst, established_gap_filled_acked_before_what_follows) {
  Harness h;
  h.established();
  h.send({.seq = 1461, .payload = full()});
  h.sent.clear();
  h.queue({.seq = 1, .payload = full()});
  h.queue({.seq = 2921, .payload = full()});
  h.settle();
  expect_acks(h, {2921, 4381});
  h.peer_nxt = 4381;
}

// The data of a segment with FIN is acknowledged together with it.
TEST(AckBurst, established_fin_on_the_second_segment_one_ack) {
  Harness h;
  h.established();
  h.queue({.payload = full()});
  h.queue({.flags = "FA", .payload = full()});
  h.settle();
  expect_acks(h, {2 * 1460 + 2});
}

}  // namespace
}  // namespace salut::test
