// The protocol to the letter, where it was once not: each test has failed.
#include "agreed.hpp"
#include "harness.hpp"

namespace salut::test {
namespace {

// --- SYN_RECEIVED --------------------------------------------------------------------------------

// RFC 9293 §3.10.7.4, first check: the SYN lies before the window and is trimmed off, and what is
// left, a FIN without ACK, is dropped (fifth check).
TEST(SynReceivedLetter, syn_fin_again_is_answered_as_the_first_was) {
  Harness h;
  h.listen();
  h.send({.flags = "SF", .seq = 0, .mss = 1460});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  for (int i = 0; i < 3; ++i) {
    h.send({.flags = "SF", .seq = 0, .mss = 1460});
    h.expect({.flags = "SA", .seq = 0, .ack = 1});
    EXPECT_EQ(h.state(), State::syn_received);
  }
  h.peer_nxt = 1;
  h.send({.ack = 1});
  h.expect_event(Event::accepted);
}

TEST(SynReceivedLetter, syn_fin_ack_again_does_not_end_the_child) {
  Harness h;
  h.syn_received();
  h.send({.flags = "SFA", .seq = 0, .ack = 1});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  EXPECT_EQ(h.state(), State::syn_received);
}

TEST(SynReceivedLetter, syn_ack_of_a_simultaneous_open_brings_its_fin) {
  Harness h;
  h.syn_received(Open::active);
  h.send({.flags = "SFA", .seq = 0, .ack = 1});
  h.expect({.flags = "A", .seq = 1, .ack = 2});
  h.expect_event(Event::connected);
  h.expect_event(Event::peer_closed);
  EXPECT_EQ(h.state(), State::close_wait);
}

TEST(SynReceivedLetter, ack_before_the_window_with_a_bad_ack_one_answer) {
  Harness h;
  h.syn_received();
  h.send({.seq = 0, .ack = 7});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::syn_received);
  h.send({.seq = 1, .ack = 1});
  h.expect_event(Event::accepted);
}

// As Linux: six SYN,ACKs, and after 63 s the slot is free again.
TEST(SynReceivedLetter, child_sends_six_syn_acks_and_ends_after_63_s) {
  Harness h;
  h.syn_received();
  for (const Duration wait : {1s, 2s, 4s, 8s, 16s}) {
    h.expect_after(wait, {.flags = "SA", .seq = 0, .ack = 1});
  }
  h.advance(32s - 10ms);
  EXPECT_EQ(h.state(), State::syn_received);
  h.advance(20ms);
  EXPECT_EQ(h.state(), State::closed);
  h.expect_nothing();
}

TEST(SynReceivedLetter, number_of_syn_acks_is_configurable) {
  StackConfig config = small_config();
  config.syn_ack_retries = 1;
  Harness h(config);
  h.syn_received();
  h.expect_after(1s, {.flags = "SA", .seq = 0, .ack = 1});
  h.advance(2s + 10ms);
  EXPECT_EQ(h.state(), State::closed);
}

// --- slots ---------------------------------------------------------------------------------------

StackConfig sixteen_slots() {
  StackConfig config = small_config();
  config.connections = 16;
  return config;
}

void take_all_slots(Harness& h) {
  for (std::uint16_t i = 0; i < 16; ++i) {
    const auto port = static_cast<std::uint16_t>(peer_port + i);
    h.send({.flags = "S", .seq = 0, .from_port = port});
    h.send({.seq = 1, .ack = 1, .from_port = port});
  }
  h.sent.clear();
  h.events.clear();
  EXPECT_EQ(h.engine().context().tcbs.in_use(), 16u);
}

// A SYN,ACK for what cannot be kept makes its peer believe that it is connected.
TEST(SlotsLetter, none_free_syn_is_dropped_and_no_cookie_is_sent) {
  Harness h(sixteen_slots());
  h.listen(100);
  take_all_slots(h);
  h.send({.flags = "S", .seq = 0, .from_port = 9});
  h.expect_nothing();
  EXPECT_EQ(h.counters().cookies_sent, 0u);
  EXPECT_EQ(h.drops(Drop::syn_overload), 1u);
}

TEST(SlotsLetter, cookie_that_finds_no_slot_is_answered_with_rst) {
  Harness h(sixteen_slots());
  h.listen(1);
  h.send({.flags = "S", .seq = 0, .from_port = 7});
  h.sent.clear();
  h.send({.flags = "S", .seq = 0, .mss = 1460, .from_port = 9});
  const Seen cookie = h.take();
  for (int i = 0; i < 15; ++i) {
    ASSERT_TRUE(h.engine().connect({peer_address(), 80}, {}, 0, h.now()));
  }
  h.settle();
  h.sent.clear();
  h.iss = cookie.segment.seq;
  h.send({.seq = 1, .ack = 1, .from_port = 9});
  h.expect({.flags = "R", .seq = 1});
  EXPECT_EQ(h.drops(Drop::cookie_no_slot), 1u);
}

// --- MAX.SND.WND ---------------------------------------------------------------------------------

// RFC 5961 §5.2: the largest window that the peer offered, not the largest that its scale allows.
TEST(MaxSndWnd, ack_older_than_the_largest_window_seen_is_challenged) {
  Harness h(only({.scaling = true}));
  h.listen();
  h.send({.flags = "S", .wnd = 1000, .mss = 1460, .wscale = 14});
  h.sent.clear();
  h.our_nxt = 1;
  h.send({.wnd = 10});  // 163,840 bytes
  h.expect_event(Event::accepted);
  h.write("x");
  h.sent.clear();
  h.send({.ack = 2, .wnd = 10});
  h.send({.seq = 1, .ack = 2 - 600'000, .payload = "injected"});
  h.expect({.flags = "A", .seq = 2, .ack = 1});
  EXPECT_EQ(h.drops(Drop::tcp_bad_ack), 1u);
  EXPECT_EQ(h.read(), "");
}

// --- a shut window -------------------------------------------------------------------------------

// RFC 9293 §3.8.6.1: the wait for the next probe grows to rto_max and stays there.
TEST(PersistLetter, probes_that_are_answered_grow_to_rto_max_and_stay) {
  StackConfig config = small_config();
  config.rto_min = 200ms;
  Harness h(config);
  h.handshake = 10ms;
  h.established();
  h.send({.wnd = 0});
  h.write("0123456789");
  Duration before{0};
  for (int i = 0; i < 16; ++i) {
    const Duration waited = h.silence(120s);
    EXPECT_EQ(h.take().segment.payload_length, 1);
    EXPECT_GE(waited + 10ms, before);
    before = std::min<Duration>(waited, 60s - 10ms);
    if (i >= 10) {
      EXPECT_NEAR(std::chrono::duration<double>(waited).count(), 60, 0.1);
    }
    h.send({.ack = 1, .wnd = 0});
  }
}

// The RST of an abort lies where the peer takes it (Linux: tcp_acceptable_seq).
TEST(PersistLetter, reset_lies_at_the_peers_rcv_nxt_and_not_behind_the_probe) {
  Harness h;
  h.established();
  h.send({.wnd = 0});
  h.write("0123456789");
  h.silence(5s);
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.send({.ack = 1, .wnd = 0});
  h.abort();
  h.expect({.flags = "RA", .seq = 1, .ack = 1});
  h.expect_closed(Reason::aborted);
}

// RFC 6429: a peer that answers probes and never opens its window holds what nobody owns.
TEST(Orphan, closed_with_a_window_that_stays_shut_is_given_up) {
  Harness h;
  h.established();
  h.send({.wnd = 0});
  h.write("0123456789");
  h.close();
  const Instant start = h.now();
  while (h.state() != State::closed && h.now() - start < 200s) {
    h.silence(10s);
    if (h.sent.empty()) continue;
    const Seen seen = h.take();
    if ((seen.segment.flags & wire::rst) != 0) break;
    h.send({.ack = 1, .wnd = 0});
  }
  EXPECT_EQ(h.state(), State::closed);
  EXPECT_NEAR(std::chrono::duration<double>(h.now() - start).count(), 60, 1);
  h.expect_closed(Reason::timed_out);
}

TEST(Orphan, closed_with_a_peer_that_reads_on_is_not) {
  Harness h;
  h.established();
  h.write(std::string(60'000, 'x'));
  h.close();
  std::uint32_t taken = 1;
  for (int minute = 0; minute < 5; ++minute) {
    h.sent.clear();
    taken += 3000;
    h.send({.ack = taken, .wnd = 3000});
    h.advance(50s);
    EXPECT_EQ(h.state(), State::fin_wait_1) << minute;
  }
  h.sent.clear();
  h.events.clear();
  h.send({.flags = "R", .seq = 1});
  h.events.clear();
}

// A window that is open when somebody looks, and takes nothing, buys one more look.
TEST(Orphan, closed_with_a_window_that_opens_for_each_look_is_given_up) {
  Harness h;
  h.established();
  h.send({.wnd = 0});
  h.write("0123456789");
  h.close();
  const Instant start = h.now();
  bool reset = false;
  while (!reset && h.now() - start < 400s) {
    h.advance(250ms);
    while (!h.sent.empty()) reset |= (h.take().segment.flags & wire::rst) != 0;
    const Duration into = (h.now() - start) % 60s;
    const bool open = into > 59s || into < 1s;
    if (!reset) h.send({.ack = 1, .wnd = static_cast<std::uint16_t>(open ? 0xffff : 0)});
  }
  EXPECT_NEAR(std::chrono::duration<double>(h.now() - start).count(), 120, 1);
  h.expect_closed(Reason::timed_out);
}

// --- SYN_SENT ------------------------------------------------------------------------------------

// The peer's TIME_WAIT answers our SYN with an old ACK. Our RST ends it; the SYN follows at once
// and not after an RTO.
TEST(SynSentLetter, old_ack_rst_and_the_syn_again_at_once) {
  Harness h;
  h.syn_sent();
  h.send({.seq = 500, .ack = 4711});
  h.expect({.flags = "R", .seq = 4711});
  EXPECT_LE(h.silence(1s), 10ms);
  h.expect({.flags = "S", .seq = 0});
  EXPECT_EQ(h.drops(Drop::tcp_older_connection), 1u);
  h.send({.flags = "SA", .seq = 0, .ack = 1, .mss = 1460});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.expect_event(Event::connected);
}

// Karn: which of the two SYNs is meant? The timer of the first goes on.
TEST(SynSentLetter, old_ack_syn_again_is_no_sample) {
  Harness h(plain_config());
  h.syn_sent();
  h.advance(500ms);
  h.send({.seq = 500, .ack = 4711});
  h.expect({.flags = "R", .seq = 4711});
  h.expect({.flags = "S", .seq = 0});
  h.advance(100ms);
  h.send({.flags = "SA", .seq = 0, .ack = 1, .mss = 1460});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.expect_event(Event::connected);
  h.write("x");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  EXPECT_EQ(h.engine().info(h.conn)->srtt_us, 0u);
  EXPECT_EQ(h.engine().info(h.conn)->rto_ms, 1'000u);
}

TEST(SynSentLetter, old_ack_the_timer_of_the_syn_goes_on_as_it_was) {
  Harness h(plain_config());
  h.syn_sent();
  h.advance(500ms);
  h.send({.seq = 500, .ack = 4711});
  h.expect({.flags = "R", .seq = 4711});
  h.expect({.flags = "S", .seq = 0});
  EXPECT_NEAR(static_cast<double>(h.silence(5s) / 1ms), 500, 3);
  h.expect({.flags = "S", .seq = 0});
  h.expect_after(2s, {.flags = "S", .seq = 0});
}

TEST(SynSentLetter, old_acks_without_end_do_not_make_a_flood) {
  Harness h;
  h.syn_sent();
  unsigned syns = 0;
  for (int i = 0; i < 200; ++i) {
    h.send({.seq = 500, .ack = 4711});
    h.advance(5ms);
    for (const Seen& seen : h.sent) syns += (seen.segment.flags & wire::syn) != 0 ? 1 : 0;
    h.sent.clear();
  }
  EXPECT_LE(syns, 4u);
  EXPECT_EQ(h.state(), State::syn_sent);
  h.abort();
  h.expect_closed(Reason::aborted);
}

// --- D-SACK --------------------------------------------------------------------------------------

// RFC 2883 §4: of several repetitions in one segment the first is named.
TEST(DsackLetter, segment_that_repeats_twice_names_the_first) {
  Harness h(only({.sack = true}));
  agree(h, {.sack = true});
  h.send({.payload = "abcd"});  // 1..5
  h.sent.clear();
  h.events.clear();
  h.send({.seq = 9, .payload = "ij"});  // an island, 9..11
  h.sent.clear();
  h.send({.seq = 3, .payload = "cdefghijkl"});  // 3..5 again, then 9..11 again
  const Seen ack = h.take();
  const Edges edges = ack.sack_relative(h.irs);
  ASSERT_GE(edges.size(), 2u);
  EXPECT_EQ(edges[0], 3u);
  EXPECT_EQ(edges[1], 5u);
  h.events.clear();
}

}  // namespace
}  // namespace salut::test
