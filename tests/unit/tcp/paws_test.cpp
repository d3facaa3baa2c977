// Timestamps on every segment, what is echoed in them, and PAWS (RFC 7323 §3 to §5).
#include "agreed.hpp"

namespace salut::test {
namespace {

constexpr Options stamps{.stamps = true};

// An In with this timestamp.
In at(std::uint32_t val, In in = {}) {
  in.ts = Stamps{.val = val};
  return in;
}
In text_at(std::uint32_t val, const std::string& text) { return at(val, {.payload = text}); }

std::uint32_t ts_recent(Harness& h) {
  return h.engine().context().tcbs[h.conn.slot() & ((1u << Connection::slot_bits) - 1)].ts_recent;
}

TEST(Paws, established_older_timestamp_acked_and_dropped) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.send(text_at(2000, "new"));
  h.expect({.flags = "A", .seq = 1, .ack = 4, .ts = Stamps{.ecr = 2000}});
  h.expect_event(Event::readable);
  // In the window and in order, as an old duplicate of a wrapped sequence would be.
  h.send(at(1999, {.seq = 4, .payload = "old"}));
  h.expect({.flags = "A", .seq = 1, .ack = 4, .ts = Stamps{.ecr = 2000}});
  EXPECT_EQ(h.drops(Drop::tcp_paws), 1u);
  EXPECT_EQ(h.read(), "new");
}

TEST(Paws, established_equal_timestamp_accepted) {
  Harness h(only(stamps));
  agree(h, stamps);
  for (const std::uint32_t ack : {4u, 7u, 10u}) {
    h.send(text_at(2000, "abc"));
    h.expect({.flags = "A", .seq = 1, .ack = ack, .ts = Stamps{.ecr = 2000}});
    h.expect_event(Event::readable);
  }
  EXPECT_EQ(h.drops(Drop::tcp_paws), 0u);
}

TEST(Paws, established_half_the_space_is_the_border) {
  for (const std::uint32_t ahead : {1u, 0x7fffffffu}) {
    Harness h(only(stamps));
    agree(h, stamps);
    h.send(text_at(peer_clock + ahead, "abc"));
    h.expect({.flags = "A", .seq = 1, .ack = 4, .ts = Stamps{.ecr = peer_clock + ahead}});
    h.expect_event(Event::readable);
  }
  for (const std::uint32_t ahead : {0x80000000u, 0xffffffffu}) {
    Harness h(only(stamps));
    agree(h, stamps);
    h.send(at(peer_clock + ahead, {.seq = 1, .payload = "abc"}));
    h.expect({.flags = "A", .seq = 1, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  }
}

TEST(Paws, established_timestamp_wraps) {
  Harness h(only(stamps));
  h.listen();
  In syn = syn_with(stamps);
  syn.ts = Stamps{.val = 0xfffffffe};
  h.send(syn);
  h.expect({.flags = "SA", .seq = 0, .ack = 1, .ts = Stamps{.ecr = 0xfffffffe}});
  h.send(at(0xffffffff));
  h.expect_event(Event::accepted);
  h.send(text_at(0, "a"));
  h.expect({.flags = "A", .seq = 1, .ack = 2, .ts = Stamps{.ecr = 0}});
  h.expect_event(Event::readable);
  h.send(text_at(1, "b"));
  h.expect({.flags = "A", .seq = 1, .ack = 3, .ts = Stamps{.ecr = 1}});
  h.expect_event(Event::readable);
  h.send(at(0xffffffff, {.seq = 3, .payload = "c"}));
  h.expect({.flags = "A", .seq = 1, .ack = 3, .ts = Stamps{.ecr = 1}});
  EXPECT_EQ(h.drops(Drop::tcp_paws), 1u);
}

// RFC 7323 §5.5: after 24 days TS.Recent says nothing. Our own tick counter wraps after 52.
TEST(Paws, established_idle_for_days_any_timestamp_accepted) {
  for (const int days : {25, 40, 51, 53, 60, 70, 80, 110, 400}) {
    SCOPED_TRACE(days);
    Harness h(only(stamps));
    agree(h, stamps);
    const Instant until = h.now() + days * 24h;
    while (h.now() < until) {
      h.jump(std::min(until, h.now() + 100h));
      h.settle();
    }
    h.send(text_at(peer_clock + 0x90000000, "back"));
    h.expect({.flags = "A", .seq = 1, .ack = 5, .ts = Stamps{.ecr = peer_clock + 0x90000000}});
    h.expect_event(Event::readable);
    EXPECT_EQ(h.drops(Drop::tcp_paws), 0u);
  }
}

TEST(Paws, established_idle_for_23_days_still_rejects) {
  Harness h(only(stamps));
  agree(h, stamps);
  const Instant until = h.now() + 23 * 24h;
  while (h.now() < until) {
    h.jump(std::min(until, h.now() + 100h));
    h.settle();
  }
  h.send(at(peer_clock - 1, {.seq = 1, .payload = "old"}));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  EXPECT_EQ(h.drops(Drop::tcp_paws), 1u);
}

TEST(Paws, established_rst_is_exempt) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.send(at(peer_clock - 500, {.flags = "R"}));
  h.expect_closed(Reason::reset);
  h.expect_nothing();
}

TEST(Paws, established_ack_only_old_timestamp_answered_and_not_counted) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.write("mine");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 4});
  h.send(at(peer_clock - 1));  // acknowledges it, but from long ago
  h.expect({.flags = "A", .seq = 5, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 4u);
  h.send(at(peer_clock));
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
}

TEST(Paws, established_ack_only_answers_are_limited) {
  Harness h(only(stamps));
  agree(h, stamps);
  for (int i = 0; i < 3000; ++i) {
    h.send(at(peer_clock - 1));
    if (h.sent.size() > 100) h.sent.resize(1);
  }
  EXPECT_GT(h.drops(Drop::tcp_challenge_limited), 1000u);
  EXPECT_EQ(h.drops(Drop::tcp_paws), 3000u);
  h.sent.clear();
}

TEST(Paws, established_fin_with_old_timestamp_dropped) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.send(at(peer_clock - 1, {.flags = "FA", .seq = 1}));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  EXPECT_EQ(h.state(), State::established);
}

TEST(Paws, syn_received_third_ack_without_timestamps_accepted) {
  Harness h(only(stamps));
  h.listen();
  h.send(syn_with(stamps));
  h.expect({.flags = "SA", .seq = 0, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  h.send({});
  h.expect_event(Event::accepted);
  h.send(text_at(peer_clock + 5, "x"));
  h.expect({.flags = "A", .seq = 1, .ack = 2, .ts = Stamps{.ecr = peer_clock + 5}});
  h.expect_event(Event::readable);
}

TEST(Paws, syn_received_third_ack_with_old_timestamp_acked_and_dropped) {
  Harness h(only(stamps));
  h.listen();
  h.send(syn_with(stamps));
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  h.send(at(peer_clock - 1));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  EXPECT_EQ(h.state(), State::syn_received);
  EXPECT_EQ(h.drops(Drop::tcp_paws), 1u);
}

TEST(Paws, established_segment_without_timestamps_accepted_and_answered_with_them) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.send({.payload = "bare"});
  h.expect({.flags = "A", .seq = 1, .ack = 5, .ts = Stamps{.ecr = peer_clock}});
  h.expect_event(Event::readable);
  h.send({.flags = "FA"});
  h.expect({.flags = "A", .seq = 1, .ack = 6, .ts = Stamps{.ecr = peer_clock}});
  h.expect_event(Event::peer_closed);
}

TEST(Paws, established_timestamps_that_were_not_agreed_mean_nothing) {
  Harness h(only({}));
  agree(h, stamps);
  h.send(text_at(5000, "a"));
  h.expect({.flags = "A", .seq = 1, .ack = 2});
  h.expect_event(Event::readable);
  h.send(text_at(1, "b"));
  const Seen answer = h.take();
  EXPECT_EQ(answer.segment.ack - h.irs, 3u);
  EXPECT_EQ(answer.segment.options_length, 0);
  h.expect_event(Event::readable);
}

// --- TS.Recent --------------------------------------------------------------------------------

// RFC 7323 §4.3: a delayed ACK echoes the first of the segments that it acknowledges.
TEST(TsRecent, delayed_ack_echoes_the_first_segment) {
  StackConfig config = only(stamps);
  config.delayed_ack = 40ms;
  Harness h(config);
  agree(h, stamps);
  std::uint32_t clock = 2000;
  for (int i = 0; i < 20; ++i) {  // the peer's slow start is over
    h.send(text_at(clock++, std::string(100, 'x')));
    h.events.clear();
  }
  h.advance(50ms);
  h.sent.clear();
  h.send(text_at(3000, std::string(100, 'a')));
  h.expect_nothing();
  h.send(text_at(3010, std::string(100, 'b')));
  h.expect({.flags = "A", .seq = 1, .ack = 2201, .ts = Stamps{.ecr = 3000}});
  h.events.clear();
}

TEST(TsRecent, data_out_of_order_does_not_move_it) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.send(at(3000, {.seq = 5, .payload = "late"}));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  h.send(at(3001, {.seq = 9, .payload = "more"}));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  // The retransmission closes the gap, and its timestamp is the one to measure.
  h.send(at(4000, {.seq = 1, .payload = "1st "}));
  h.expect({.flags = "A", .seq = 1, .ack = 13, .ts = Stamps{.ecr = 4000}});
  h.expect_event(Event::readable);
}

TEST(TsRecent, old_data_moves_it) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.send(text_at(2000, "abcd"));
  h.expect({.flags = "A", .seq = 1, .ack = 5, .ts = Stamps{.ecr = 2000}});
  h.expect_event(Event::readable);
  // Overlaps what is there, and brings more.
  h.send(at(2500, {.seq = 3, .payload = "cdef"}));
  h.expect({.flags = "A", .seq = 1, .ack = 7, .ts = Stamps{.ecr = 2500}});
  h.expect_event(Event::readable);
}

TEST(TsRecent, segment_outside_the_window_does_not_move_it) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.send(at(9000, {.seq = 200'000, .payload = "far"}));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  h.send(at(9000, {.seq = 0xfffffff0, .payload = "past"}));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  EXPECT_EQ(ts_recent(h), peer_clock);
}

TEST(TsRecent, refused_segments_do_not_move_it) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.send(at(9000, {.flags = "R", .seq = 2}));  // near: a challenge
  h.expect({.flags = "A", .seq = 1, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  h.send(at(9000, {.flags = "S", .seq = 0}));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  h.advance(1100ms);
  h.send(at(9000, {.ack = 2}));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  h.send(at(9000, {.flags = "P", .payload = "no ACK"}));
  h.expect_nothing();
  h.peer_nxt = 1;
  EXPECT_EQ(ts_recent(h), peer_clock);
}

TEST(TsRecent, ack_alone_moves_it) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.send(at(2000));
  h.expect_nothing();
  h.write("echo");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 4, .ts = Stamps{.ecr = 2000}});
}

// --- on every segment -------------------------------------------------------------------------

TEST(Timestamps, our_clock_goes_by_milliseconds) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.write("a");
  const std::uint32_t first = h.take().segment.tsval;
  h.send(at(peer_clock));
  h.advance(500ms);
  h.write("b");
  const std::uint32_t later = h.take().segment.tsval - first;
  EXPECT_GE(later, 499u);
  EXPECT_LE(later, 501u);
}

TEST(Timestamps, in_every_state_active_close) {
  Harness h(only(stamps));
  agree(h, stamps, Open::active);
  h.send(text_at(1100, "text"));
  h.expect({.flags = "A", .seq = 1, .ack = 5, .ts = Stamps{.ecr = 1100}});
  h.expect_event(Event::readable);
  h.read();
  h.shutdown();
  h.expect({.flags = "FA", .seq = 1, .ack = 5, .ts = Stamps{.ecr = 1100}});
  h.send(at(1200, {.ack = 1, .payload = "more"}));  // FIN_WAIT_1
  h.expect({.flags = "A", .seq = 2, .ack = 9, .ts = Stamps{.ecr = 1200}});
  h.expect_event(Event::readable);
  h.send(at(1300));  // FIN_WAIT_2
  EXPECT_EQ(h.state(), State::fin_wait_2);
  h.send(text_at(1400, "last"));
  h.expect({.flags = "A", .seq = 2, .ack = 13, .ts = Stamps{.ecr = 1400}});
  h.expect_event(Event::readable);
  h.read();
  h.send(at(1500, {.flags = "FA"}));
  h.expect({.flags = "A", .seq = 2, .ack = 14, .ts = Stamps{.ecr = 1500}});
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
  EXPECT_EQ(h.state(), State::time_wait);
}

TEST(Timestamps, in_every_state_passive_close) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.send(at(1100, {.flags = "FA"}));
  h.expect({.flags = "A", .seq = 1, .ack = 2, .ts = Stamps{.ecr = 1100}});
  h.expect_event(Event::peer_closed);
  h.write("still here");  // CLOSE_WAIT
  h.expect({.flags = "A", .seq = 1, .ack = 2, .len = 10, .ts = Stamps{.ecr = 1100}});
  h.send(at(1200, {.ack = 11}));
  h.shutdown();
  h.expect({.flags = "FA", .seq = 11, .ack = 2, .ts = Stamps{.ecr = 1200}});
  h.silence(2s);  // LAST_ACK: the FIN again
  h.expect({.flags = "FA", .seq = 11, .ack = 2, .ts = Stamps{.ecr = 1200}});
  h.send(at(1300, {.ack = 12}));
  h.expect_closed(Reason::closed);
}

TEST(Timestamps, in_closing) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.shutdown();
  h.expect({.flags = "FA", .seq = 1, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  h.send(at(1100, {.flags = "FA", .ack = 1}));
  h.expect({.flags = "A", .seq = 2, .ack = 2, .ts = Stamps{.ecr = 1100}});
  h.expect_event(Event::peer_closed);
  EXPECT_EQ(h.state(), State::closing);
  h.send(at(1100, {.flags = "FA", .seq = 1, .ack = 1}));  // our ACK was lost
  h.expect({.flags = "A", .seq = 2, .ack = 2, .ts = Stamps{.ecr = 1100}});
}

TEST(Timestamps, full_segments_leave_room_for_them) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.write(std::string(3000, 'x'));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1448, .ts = Stamps{.ecr = peer_clock}});
  h.expect({.flags = "A", .seq = 1449, .ack = 1, .len = 1448, .ts = Stamps{.ecr = peer_clock}});
  h.expect({.flags = "A", .seq = 2897, .ack = 1, .len = 104, .ts = Stamps{.ecr = peer_clock}});
}

TEST(Timestamps, challenge_ack_has_them) {
  Harness h(only(stamps));
  agree(h, stamps);
  h.send({.flags = "S", .seq = 100});
  h.expect({.flags = "A", .seq = 1, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
}

}  // namespace
}  // namespace salut::test
