// TIME_WAIT: 2MSL to the tick, and what may end it early (RFC 1337, RFC 1122 §4.2.2.13).
#include "harness.hpp"

namespace salut::test {
namespace {

void expect_exactly(Harness& h, Duration two_msl) {
  h.advance(two_msl - 1us);
  EXPECT_EQ(h.state(), State::time_wait) << "never shortened";
  h.advance(2 * tick);
  EXPECT_EQ(h.state(), State::closed);
  h.expect_nothing();
  h.expect_no_event();
}

TEST(TimeWait, two_msl_is_60_s_to_the_tick) {
  for (const Open how : {Open::passive, Open::active}) {
    Harness h;
    h.time_wait(how);
    expect_exactly(h, 60s);
    EXPECT_EQ(h.counters().time_wait_expired, 1u);
  }
}

TEST(TimeWait, two_msl_any_value) {
  for (const Duration msl : {Duration(1ms), Duration(7ms), Duration(1s), Duration(120s)}) {
    StackConfig config = small_config();
    config.msl = msl;
    Harness h(config);
    h.time_wait();
    expect_exactly(h, 2 * msl);
  }
}

TEST(TimeWait, two_msl_from_closing) {
  Harness h;
  h.closing();
  h.send({});
  h.expect_closed(Reason::closed);
  expect_exactly(h, 60s);
}

TEST(TimeWait, two_msl_across_the_wrap_of_the_tick_counter) {
  StackConfig config = small_config();
  for (const Duration before : {Duration(1s), Duration(30s), Duration(59s)}) {
    Harness h(config);
    // The next wrap of the tick counter; the wheel is taken there in steps it can make.
    const Instant wrap{Duration{std::int64_t{1} << 52}};
    for (Instant at = h.now(); at < wrap - 10min; at += 100h) {
      h.jump(at);
      h.settle();
    }
    h.jump(wrap - 5min);
    h.settle();
    h.resolve_peer();
    ASSERT_TRUE(h.engine().listen({any_address(), our_port}, 4));
    h.jump(wrap - before);
    h.settle();
    h.send({.flags = "S"});
    h.expect({.flags = "SA", .seq = 0, .ack = 1});
    h.send({});
    h.expect_event(Event::accepted);
    h.close();
    h.expect({.flags = "FA", .seq = 1, .ack = 1});
    h.send({.flags = "FA"});
    h.expect({.flags = "A", .seq = 2, .ack = 2});
    h.expect_event(Event::peer_closed);
    h.expect_closed(Reason::closed);
    expect_exactly(h, 60s);
  }
}

TEST(TimeWait, fin_again_acked_and_2msl_starts_again) {
  Harness h;
  h.time_wait();
  h.advance(50s);
  h.send({.flags = "FA", .seq = 1});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  expect_exactly(h, 60s);
}

TEST(TimeWait, fin_with_its_data_again_acked_and_2msl_starts_again) {
  Harness h;
  h.fin_wait_2();
  h.send({.flags = "FA", .payload = "bye"});
  h.expect({.flags = "A", .seq = 2, .ack = 5});
  h.expect_event(Event::readable | Event::peer_closed);
  EXPECT_EQ(h.read(), "bye");
  h.expect_closed(Reason::closed);
  h.advance(50s);
  h.send({.flags = "FA", .seq = 1, .payload = "bye"});
  h.expect({.flags = "A", .seq = 2, .ack = 5});
  expect_exactly(h, 60s);
}

// A record's place in the arena is 1 of `capacity`. Were each FIN to take one more, a peer of a few
// connections would have them all. Each FIN is answered, and 2MSL counts from the last.
TEST(TimeWait, fin_again_and_again_takes_no_more_room) {
  Harness h;
  h.time_wait();
  for (unsigned i = 0; i < 40; ++i) {
    h.advance(1s);
    h.send({.flags = "FA", .seq = 1});
    h.expect({.flags = "A", .seq = 2, .ack = 2});
  }
  const flow::TimeWait& arena = h.engine().context().time_wait;
  unsigned places = 0;
  for (std::uint32_t i = 0; i < arena.index_end(); ++i) {
    places += arena[i].deadline != 0 ? 1 : 0;
  }
  EXPECT_EQ(places, 1u);
  expect_exactly(h, 60s);
}

TEST(TimeWait, other_segments_do_not_start_it_again) {
  Harness h;
  h.time_wait();
  h.advance(30s);
  h.send({});  // a duplicate ACK: nothing
  h.expect_nothing();
  h.send({.seq = 1, .payload = "x"});  // old data: an ACK
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.send({.seq = 2 + 70'000});  // beyond the window: an ACK
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.advance(1s);
  h.send({.ack = 3});  // of what was never sent
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  expect_exactly(h, 29s);
}

// RFC 9293 §3.10.7.4: without ACK it is dropped (fifth check); it lies before the window, and is
// answered (first check). Neither 2MSL nor TS.Recent may follow a guess of the sequence alone.
TEST(TimeWait, fin_without_ack_does_not_start_it_again) {
  Harness h;
  h.time_wait();
  h.advance(30s);
  h.send({.flags = "F", .seq = 1});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.send({.flags = "F", .seq = 2});  // in the window
  h.expect_nothing();
  for (const std::uint32_t ack : {3u, 2u - 70'000}) {
    h.send({.flags = "FA", .seq = 1, .ack = ack});
    h.expect({.flags = "A", .seq = 2, .ack = 2});
  }
  expect_exactly(h, 30s);
}

TEST(TimeWait, fin_in_the_window_acked_and_2msl_starts_again) {
  Harness h;
  h.time_wait();
  for (const std::uint32_t seq : {2u, 50u}) {
    h.advance(50s);
    h.send({.flags = "FA", .seq = seq});
    h.expect({.flags = "A", .seq = 2, .ack = 2});
  }
  expect_exactly(h, 60s);
}

TEST(TimeWait, empty_segments_are_answered_twice_a_second_at_most) {
  Harness h;
  h.time_wait();
  h.advance(10s);
  for (int i = 0; i < 1000; ++i) h.send({.seq = 2 + 70'000});
  EXPECT_EQ(h.sent.size(), 1u);
  EXPECT_EQ(h.drops(Drop::tcp_challenge_limited), 999u);
  h.sent.clear();
  h.advance(600ms);
  h.send({.seq = 2 + 70'000});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.send({.flags = "FA", .seq = 1});  // the peer's own FIN is answered every time
  h.expect({.flags = "A", .seq = 2, .ack = 2});
}

TEST(TimeWait, fin_out_of_place_does_not_start_it_again) {
  Harness h;
  h.time_wait();
  h.advance(30s);
  h.send({.flags = "FA", .seq = 0});  // before the window
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.send({.flags = "FA", .seq = 0x40000000});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  expect_exactly(h, 30s);
}

TEST(TimeWait, rst_ignored_wherever_it_lies) {
  Harness h;
  h.time_wait();
  for (const std::uint32_t seq : {2u, 3u, 1u, 0x80000000u}) {
    h.send({.flags = "R", .seq = seq});
    h.send({.flags = "RA", .seq = seq});
  }
  h.expect_nothing();
  expect_exactly(h, 60s);
}

TEST(TimeWait, newer_syn_opens_anew_beyond_the_old_window) {
  Harness h;
  h.time_wait();
  const std::uint32_t old_iss = h.iss;
  h.send({.flags = "S", .seq = 3, .mss = 1460});
  const Seen answer = h.take();
  EXPECT_EQ(answer.segment.flags, wire::syn | wire::ack);
  EXPECT_EQ(answer.segment.ack - h.irs, 4u);
  // Old SND.NXT was 2: the new ISS is more than a full window beyond, and not by half the space.
  const std::uint32_t ahead = answer.segment.seq - (old_iss + 2);
  EXPECT_GT(ahead, 65'535u);
  EXPECT_LT(ahead, 0x80000000u);
  EXPECT_EQ(h.state(), State::syn_received);
  EXPECT_EQ(h.counters().time_wait_reused, 1u);
  h.send({.seq = 4, .ack = 1});
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.state(), State::established);
  h.advance(61s);  // nothing of the old connection is left to expire
  EXPECT_EQ(h.counters().time_wait_expired, 0u);
  EXPECT_EQ(h.state(), State::established);
}

// What a guessed SYN costs, if the ACK of the peer's FIN was lost before it came: the FIN is
// unknown to the half-open child, and when that gave up it is reset, as RFC 9293 §3.10.7.1 says.
// The seeded world counts this as a good end (tests/sim/hostile_run.cpp, lost_last_ack()).
TEST(TimeWait, newer_syn_that_nobody_completes_resets_the_fin_that_comes_again) {
  Harness h;
  h.time_wait();
  h.send({.flags = "S", .seq = 1'000'000});
  const Seen answer = h.take();
  ASSERT_EQ(answer.segment.flags, wire::syn | wire::ack);
  h.send({.flags = "FA", .seq = 1, .ack = 2});
  const Seen other = h.take();
  EXPECT_EQ(other.segment.flags, wire::ack);
  EXPECT_EQ(other.segment.seq, answer.segment.seq + 1) << "not the ACK that the peer waits for";
  EXPECT_EQ(h.state(), State::syn_received);
  h.advance(64s);  // six SYN,ACKs
  h.sent.clear();
  h.expect_no_event();
  h.send({.flags = "FA", .seq = 1, .ack = 2});
  h.expect({.flags = "R", .seq = 2});
}

TEST(TimeWait, syn_not_newer_acked) {
  Harness h;
  h.time_wait();
  for (const std::uint32_t seq : {2u, 1u, 0u, 0x80000003u}) {
    h.send({.flags = "S", .seq = seq});
    h.expect({.flags = "A", .seq = 2, .ack = 2});
  }
  h.send({.flags = "SA", .seq = 100, .ack = 2});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  expect_exactly(h, 60s);
}

TEST(TimeWait, newer_syn_without_listener_acked) {
  Harness h;
  h.time_wait(Open::active);
  h.send({.flags = "S", .seq = 1000});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  expect_exactly(h, 60s);
}

TEST(TimeWait, newer_syn_that_finds_no_room_does_not_shorten_it) {
  StackConfig config = small_config();
  config.connections = 16;
  for (const bool backlog : {true, false}) {
    Harness h(config);
    h.listen(backlog ? 2 : 100);
    h.send({.flags = "S", .mss = 1460});
    h.expect({.flags = "SA", .seq = 0, .ack = 1});
    h.send({.flags = "FA"});
    h.expect({.flags = "A", .seq = 1, .ack = 2});
    h.expect_event(Event::accepted | Event::peer_closed);
    h.engine().abort(h.conn);
    h.settle();
    h.sent.clear();
    h.events.clear();
    h.peer_nxt = 0;
    h.send({.flags = "S"});
    h.expect({.flags = "SA", .seq = 0, .ack = 1});
    h.send({});
    h.expect_event(Event::accepted);
    h.close();
    h.expect({.flags = "FA", .seq = 1, .ack = 1});
    h.send({.flags = "FA"});
    h.expect({.flags = "A", .seq = 2, .ack = 2});
    h.expect_event(Event::peer_closed);
    h.expect_closed(Reason::closed);
    for (std::uint16_t i = 1; i <= (backlog ? 2 : 16); ++i) {
      h.send({.flags = "S", .seq = 0, .from_port = static_cast<std::uint16_t>(peer_port + i)});
    }
    h.sent.clear();
    h.send({.flags = "S", .seq = 1000});
    h.expect_nothing();
    EXPECT_EQ(h.counters().states[static_cast<std::size_t>(State::time_wait)], 1u);
    EXPECT_EQ(h.counters().time_wait_reused, 0u);
  }
}

TEST(TimeWait, active_open_of_the_tuple_no_port) {
  Harness h;
  h.time_wait(Open::active);
  const Endpoint remote{peer_address(), peer_port};
  const Endpoint local{our_address(), 50000};
  const auto made = h.engine().connect(remote, local, 0, h.now());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(), Errc::no_port);
  h.advance(60s + tick);
  EXPECT_TRUE(h.engine().connect(remote, local, 0, h.now()));
  h.settle();
  h.expect({.flags = "S", .seq = 0});
}

TEST(TimeWait, tuple_free_again_afterwards) {
  Harness h;
  h.time_wait();
  h.advance(60s + tick);
  h.send({.flags = "FA", .seq = 1});  // too late: nobody knows it
  h.expect({.flags = "R", .seq = 2});
  h.send({.flags = "S", .seq = 1});
  h.expect({.flags = "SA", .seq = 0, .ack = 2});
}

// Closes one connection from `port` actively, as far as TIME_WAIT.
void close_one(Harness& h, std::uint16_t port) {
  h.peer_nxt = 0;
  h.send({.flags = "S", .from_port = port});
  h.send({.from_port = port});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  h.expect_event(Event::accepted);
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
  h.send({.flags = "FA", .from_port = port});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
}

TEST(TimeWait, arena_full_the_tcb_waits) {
  StackConfig config = small_config();
  config.time_wait = 16;
  config.connections = 64;
  Harness h(config);
  h.listen();
  const auto count = [&] {
    return h.counters().states[static_cast<std::size_t>(State::time_wait)];
  };
  for (std::uint16_t i = 0; i < 40; ++i) close_one(h, static_cast<std::uint16_t>(peer_port + i));
  EXPECT_EQ(count(), 40u);
  EXPECT_EQ(h.engine().context().time_wait.size(), 16u);
  EXPECT_EQ(h.engine().context().tcbs.in_use(), 24u);
  // Record or TCB: what a segment means to it is the same.
  const auto last = static_cast<std::uint16_t>(peer_port + 39);
  h.advance(50s);
  h.send({.flags = "R", .seq = 2, .from_port = last});
  h.expect_nothing();
  h.send({.flags = "S", .seq = 2, .from_port = last});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.send({.flags = "FA", .seq = 1, .from_port = last});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.advance(11s);
  EXPECT_EQ(count(), 1u) << "2MSL started again for the one";
  h.send({.flags = "S", .seq = 3, .from_port = last});
  EXPECT_EQ(h.take().segment.flags, wire::syn | wire::ack);
  EXPECT_EQ(h.state(), State::syn_received);
  EXPECT_EQ(h.counters().time_wait_reused, 1u);
  h.expect_no_event();
}

TEST(TimeWait, arena_full_the_tcb_expires) {
  StackConfig config = small_config();
  config.time_wait = 16;
  Harness h(config);
  h.listen();
  for (std::uint16_t i = 0; i < 20; ++i) close_one(h, static_cast<std::uint16_t>(peer_port + i));
  h.advance(61s);
  EXPECT_EQ(h.state(), State::closed);
  EXPECT_EQ(h.engine().context().tcbs.in_use(), 0u);
  h.expect_no_event();  // each was told when TIME_WAIT began
}

TEST(TimeWait, unread_data_survives_fin_and_2msl) {
  Harness h;
  h.fin_wait_2();
  h.send({.flags = "FA", .payload = "read me later"});
  h.expect({.flags = "A", .seq = 2, .ack = 15});
  h.expect_event(Event::readable | Event::peer_closed);
  h.expect_no_event();  // not over for its reader
  EXPECT_EQ(h.state(), State::time_wait);
  h.advance(61s);
  EXPECT_EQ(h.state(), State::closed);
  h.expect_no_event();
  EXPECT_EQ(h.read(4), "read");
  EXPECT_EQ(h.read(), " me later");
  h.expect_closed(Reason::closed);
  EXPECT_EQ(h.engine().context().tcbs.in_use(), 0u);
}

TEST(TimeWait, unread_data_read_in_time_becomes_a_record_with_the_old_deadline) {
  Harness h;
  h.fin_wait_2();
  h.send({.flags = "FA", .payload = "later"});
  h.expect({.flags = "A", .seq = 2, .ack = 7});
  h.expect_event(Event::readable | Event::peer_closed);
  h.advance(20s);
  std::string text(10, ' ');
  const auto n = h.engine().read(h.conn, std::as_writable_bytes(std::span(text)));
  EXPECT_EQ(n.value_or(0), 5u);
  EXPECT_EQ(h.read_error(), Errc::end_of_stream);
  h.settle();
  h.expect_closed(Reason::closed);
  EXPECT_EQ(h.engine().context().tcbs.in_use(), 0u);
  expect_exactly(h, 40s);
}

TEST(TimeWait, unread_data_closed_without_reading) {
  Harness h;
  h.fin_wait_2();
  h.send({.flags = "FA", .payload = "never read"});
  h.expect({.flags = "A", .seq = 2, .ack = 12});
  h.expect_event(Event::readable | Event::peer_closed);
  h.close();
  h.expect_nothing();  // the peer has closed in order: there is nobody to reset
  h.expect_closed(Reason::closed);
  EXPECT_EQ(h.state(), State::time_wait);
  expect_exactly(h, 60s);
}

TEST(TimeWait, unread_data_abort_ends_it) {
  Harness h;
  h.fin_wait_2();
  h.send({.flags = "FA", .payload = "never read"});
  h.expect({.flags = "A", .seq = 2, .ack = 12});
  h.expect_event(Event::readable | Event::peer_closed);
  h.abort();
  h.expect_nothing();
  h.expect_closed(Reason::aborted);
  EXPECT_EQ(h.state(), State::closed);
}

TEST(TimeWait, unread_data_is_not_thrown_out_by_a_newer_syn) {
  Harness h;
  h.fin_wait_2();
  h.send({.flags = "FA", .payload = "mine"});
  h.expect({.flags = "A", .seq = 2, .ack = 6});
  h.expect_event(Event::readable | Event::peer_closed);
  h.send({.flags = "S", .seq = 1000});
  h.expect({.flags = "A", .seq = 2, .ack = 6});
  EXPECT_EQ(h.read(), "mine");
  h.expect_closed(Reason::closed);
}

}  // namespace
}  // namespace salut::test
