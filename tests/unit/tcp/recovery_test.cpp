// Loss and recovery: fast retransmission with SACK and without, RACK-TLP, F-RTO, and peers whose
// SACK blocks lie (RFC 2018, 2883, 5681, 5682, 6582, 6675, 8985).
#include "harness.hpp"

namespace salut::test {
namespace {

constexpr std::uint32_t mss = 1460;

// Established with SACK, without timestamps, two samples of the round trip behind it; our next byte
// is number 2.
void sacked(Harness& h, Duration rtt = 100ms) {
  h.listen();
  h.send({.flags = "S", .mss = 1460, .sack_permitted = true});
  h.expect({.flags = "SA", .seq = 0, .ack = 1, .mss = 1460});
  h.advance(rtt);
  h.send({});
  h.expect_event(Event::accepted);
  h.write("r");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.advance(rtt);
  h.send({});
}

std::uint32_t at(std::uint32_t segment) { return 2 + segment * mss; }

void expect_segment(Harness& h, std::uint32_t segment, Where where = Where::current()) {
  h.expect({.flags = "A", .seq = at(segment), .ack = 1, .len = mss}, where);
}
void write_segments(Harness& h, std::uint32_t count) { h.write(std::string(count * mss, 'd')); }

// sacked(), and so many segments are on their way.
void in_flight(Harness& h, std::uint32_t count) {
  sacked(h);
  write_segments(h, count);
  h.sent.clear();
}

TEST(Sack, established_three_sacked_segments_bring_the_hole_again) {
  Harness h;
  sacked(h);
  write_segments(h, 10);
  for (std::uint32_t i = 0; i < 10; ++i) expect_segment(h, i);
  h.advance(100ms);
  h.send({.ack = at(0), .sack = {at(1), at(2)}});
  h.send({.ack = at(0), .sack = {at(1), at(3)}});
  h.expect_nothing();
  h.send({.ack = at(0), .sack = {at(1), at(4)}});
  expect_segment(h, 0);
  h.expect_nothing();
  h.send({.ack = at(10)});
  h.expect_nothing();
  EXPECT_EQ(h.counters().fast_retransmits, 1u);
  EXPECT_EQ(h.counters().retransmits, 1u);
  EXPECT_EQ(h.counters().timeouts, 0u);
  EXPECT_EQ(h.engine().info(h.conn)->cwnd, 7 * mss);  // CUBIC's 0.7
  h.advance(10s);
  h.expect_nothing();
}

TEST(Sack, established_two_holes_are_both_filled_in_one_recovery) {
  Harness h;
  in_flight(h, 10);
  h.advance(100ms);
  h.send({.ack = at(0), .sack = {at(1), at(3), at(4), at(6)}});
  expect_segment(h, 0);
  h.send({.ack = at(0), .sack = {at(4), at(10), at(1), at(3)}});
  expect_segment(h, 3);
  h.expect_nothing();
  h.advance(100ms);
  h.send({.ack = at(3), .sack = {at(4), at(10)}});
  h.send({.ack = at(10)});
  h.expect_nothing();
  EXPECT_EQ(h.counters().fast_retransmits, 1u);
  EXPECT_EQ(h.counters().retransmits, 2u);
}

TEST(Sack, established_lost_retransmission_is_found_without_a_timeout) {
  Harness h;
  in_flight(h, 10);
  h.advance(100ms);
  h.send({.ack = at(0), .sack = {at(1), at(4)}});
  expect_segment(h, 0);
  h.write(std::string(4 * mss, 'n'));
  h.sent.clear();
  h.advance(50ms);
  h.send({.ack = at(0), .sack = {at(1), at(10)}});
  EXPECT_GE(h.sent.size(), 1u);  // new data, sent after the retransmission
  h.sent.clear();
  h.advance(100ms);
  h.send({.ack = at(0), .sack = {at(1), at(11)}});
  h.silence(100ms);
  expect_segment(h, 0);
  h.sent.clear();
  h.send({.ack = at(14)});
  EXPECT_EQ(h.counters().timeouts, 0u);
}

TEST(Sack, established_blocks_of_nonsense_do_no_harm) {
  Harness h;
  in_flight(h, 5);
  h.advance(100ms);
  const std::vector<Edges> lies = {
      {at(6), at(9)},                              // beyond SND.NXT
      {at(4), at(6)},                              // half beyond
      {at(3), at(1)},                              // turned round
      {at(2), at(2)},                              // empty
      {at(0), at(3)},                              // from SND.UNA itself
      {0x7fffffff, 0x80000010},                    // far away
      {at(0) - 0x70000000, at(0) - 0x60000000},    // far behind
      {at(1), at(2), at(1), at(2), at(1), at(2)},  // thrice
  };
  for (const Edges& edges : lies) h.send({.ack = at(0), .sack = edges});
  EXPECT_EQ(h.counters().retransmits, 0u);
  h.send({.ack = at(5)});
  h.expect_nothing();
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
  h.advance(10s);
  h.expect_nothing();
}

// RFC 2018 §8
TEST(Sack, established_renege_at_the_timeout_everything_comes_again) {
  Harness h;
  in_flight(h, 5);
  h.advance(100ms);
  h.send({.ack = at(0), .sack = {at(1), at(5)}});
  expect_segment(h, 0);
  h.send({.ack = at(1)});  // the head came; what was SACKed is gone
  h.expect_nothing();
  h.silence(5s);
  expect_segment(h, 1);
  h.send({.ack = at(2)});
  expect_segment(h, 2);
  expect_segment(h, 3);
  h.send({.ack = at(4)});
  expect_segment(h, 4);
  h.send({.ack = at(5)});
  h.expect_nothing();
}

TEST(Sack, established_more_blocks_than_ranges_are_survived) {
  StackConfig config = small_config();
  config.buffer_blocks = 32;  // and as many ranges
  Harness h(config);
  in_flight(h, 10);
  h.advance(100ms);
  for (std::uint32_t i = 1; i < 10 * mss - 20; i += 20) {
    h.send({.ack = at(0), .sack = {at(0) + i, at(0) + i + 10}});
  }
  h.sent.clear();
  h.send({.ack = at(10)});
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
  EXPECT_EQ(h.engine().context().ranges.in_use(), 0u);
  h.advance(10s);
  h.expect_nothing();
}

TEST(Rack, established_one_sacked_segment_waits_a_quarter_of_the_round_trip) {
  Harness h;
  in_flight(h, 3);
  h.advance(100ms);
  h.send({.ack = at(0), .sack = {at(1), at(2)}});
  h.expect_after(25ms, {.flags = "A", .seq = at(0), .ack = 1, .len = mss});
  h.expect_nothing();
}

TEST(Rack, established_reordered_within_the_window_nothing_is_sent) {
  Harness h;
  in_flight(h, 3);
  h.advance(100ms);
  h.send({.ack = at(0), .sack = {at(1), at(2)}});
  h.advance(20ms);
  h.expect_nothing();
  h.send({.ack = at(3)});
  h.advance(10s);
  h.expect_nothing();
  EXPECT_EQ(h.counters().retransmits, 0u);
}

// As they were measured: the sample of the handshake is a tick too long.
Duration two_round_trips(Harness& h) {
  return std::chrono::microseconds(2 * h.engine().info(h.conn)->srtt_us);
}

// RFC 8985 §7: two round trips after the last transmission, the last segment.
TEST(TailLoss, established_probe_then_rack_finds_the_rest) {
  Harness h;
  in_flight(h, 3);
  h.expect_after(two_round_trips(h), {.flags = "A", .seq = at(2), .ack = 1, .len = mss});
  h.expect_nothing();
  EXPECT_EQ(h.counters().tail_probes, 1u);
  h.advance(100ms);
  h.send({.ack = at(0), .sack = {at(2), at(3)}});
  expect_segment(h, 0);
  h.sent.clear();
  h.send({.ack = at(3)});
  EXPECT_EQ(h.counters().timeouts, 0u);
}

TEST(TailLoss, established_answered_by_dsack_cwnd_stays) {
  Harness h;
  in_flight(h, 3);
  const std::uint32_t cwnd = h.engine().info(h.conn)->cwnd;
  h.silence(250ms);
  h.expect({.flags = "A", .seq = at(2), .ack = 1, .len = mss});
  h.send({.ack = at(3)});
  h.send({.ack = at(3), .sack = {at(2), at(3)}});
  EXPECT_GE(h.engine().info(h.conn)->cwnd, cwnd);
  h.advance(10s);
  h.expect_nothing();
}

TEST(TailLoss, established_one_probe_only_then_the_timer) {
  Harness h;
  in_flight(h, 3);
  h.silence(250ms);
  h.expect({.flags = "A", .seq = at(2), .ack = 1, .len = mss});
  h.silence(2s);
  expect_segment(h, 0);
  EXPECT_EQ(h.counters().timeouts, 1u);
  EXPECT_EQ(h.counters().tail_probes, 1u);
}

// Without SACK from here on.

TEST(NewReno, established_limited_transmit_then_the_third_duplicate) {
  Harness h;
  h.established();
  h.write(std::string(20 * mss, 'd'));
  EXPECT_EQ(h.sent.size(), 10u);
  h.sent.clear();
  h.send({.ack = 1});
  h.expect({.flags = "A", .seq = 1 + 10 * mss, .ack = 1, .len = mss});
  h.send({.ack = 1});
  h.expect({.flags = "A", .seq = 1 + 11 * mss, .ack = 1, .len = mss});
  h.expect_nothing();
  h.send({.ack = 1});
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = mss});
  h.expect_nothing();
  EXPECT_EQ(h.counters().fast_retransmits, 1u);
}

TEST(NewReno, established_partial_ack_brings_the_next_hole) {
  Harness h;
  h.established();
  h.write(std::string(10 * mss, 'd'));
  h.sent.clear();
  for (int i = 0; i < 3; ++i) h.send({.ack = 1});
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = mss});
  h.send({.ack = 1 + 4 * mss});
  h.expect({.flags = "A", .seq = 1 + 4 * mss, .ack = 1, .len = mss});
  h.expect_nothing();
  h.send({.ack = 1 + 10 * mss});
  h.expect_nothing();
  EXPECT_EQ(h.counters().fast_retransmits, 1u);
  EXPECT_EQ(h.counters().timeouts, 0u);
}

TEST(NewReno, established_window_updates_and_data_are_no_duplicates) {
  Harness h;
  h.established();
  h.write(std::string(5 * mss, 'd'));
  h.sent.clear();
  for (std::uint16_t i = 0; i < 4; ++i) {
    h.send({.ack = 1, .wnd = static_cast<std::uint16_t>(60'000 + i)});
  }
  for (int i = 0; i < 4; ++i) h.send({.ack = 1, .wnd = 60'003, .payload = "x"});
  h.sent.clear();
  h.events.clear();
  EXPECT_EQ(h.counters().retransmits, 0u);
}

// The FIN left alone: it is what the probe repeats, and its SACK tells what is missing before it.
TEST(TailLoss, fin_wait_1_fin_that_stands_alone_is_the_probe) {
  Harness h;
  sacked(h);
  write_segments(h, 3);
  h.shutdown();
  h.sent.clear();
  h.expect_after(two_round_trips(h), {.flags = "FA", .seq = at(3), .ack = 1, .len = 0});
  h.expect_nothing();
  EXPECT_EQ(h.counters().tail_probes, 1u);
  h.send({.ack = at(3) + 1});
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::fin_wait_2);
}

// RFC 8985 §7.2: where the RTO would come first, the probe takes its place.
TEST(TailLoss, established_probe_no_later_than_the_rto_which_begins_anew) {
  StackConfig config = small_config();
  config.rto_min = 200ms;
  Harness h(config);
  sacked(h, 10ms);
  h.write("x");
  h.expect({.flags = "A", .seq = 2, .ack = 1, .len = 1});
  h.expect_after(200ms, {.flags = "A", .seq = 2, .ack = 1, .len = 1});
  EXPECT_EQ(h.counters().tail_probes, 1u);
  EXPECT_EQ(h.counters().timeouts, 0u);
  h.expect_after(200ms, {.flags = "A", .seq = 2, .ack = 1, .len = 1});
  EXPECT_EQ(h.counters().timeouts, 1u);
  h.expect_after(400ms, {.flags = "A", .seq = 2, .ack = 1, .len = 1});
}

// RFC 8985 §7.2: one segment, whose ACK may be delayed, is one with a FIN on it, too.
TEST(TailLoss, fin_wait_1_full_segment_with_its_fin_waits_for_a_delayed_ack) {
  StackConfig config = small_config();
  config.rto_min = 1s;
  Harness h(config);
  sacked(h, 10ms);
  const std::string segment(mss, 'd');
  EXPECT_EQ(h.engine().write(h.conn, std::as_bytes(std::span(segment))).value_or(0), mss);
  h.shutdown();
  h.expect({.flags = "FA", .seq = 2, .ack = 1, .len = mss});
  h.advance(150ms);
  h.expect_nothing();
  EXPECT_EQ(h.counters().tail_probes, 0u);
}

// The same where nothing but the FIN was ever sent: no Stream, no timer for it, one backoff less.
TEST(TailLoss, fin_wait_1_bare_fin_first_retransmission_without_backoff) {
  for (const bool sack : {false, true}) {
    StackConfig config = small_config();
    config.rto_min = 200ms;
    Harness h(config);
    h.listen();
    In syn = {.flags = "S", .mss = 1460};
    if (sack) syn.sack_permitted = true;
    h.send(syn);
    h.sent.clear();
    h.send({});
    h.expect_event(Event::accepted);
    h.shutdown();
    h.expect({.flags = "FA", .seq = 1, .ack = 1});
    for (const Duration wait : sack ? std::vector<Duration>{200ms, 200ms, 400ms, 800ms}
                                    : std::vector<Duration>{200ms, 400ms, 800ms}) {
      h.expect_after(wait, {.flags = "FA", .seq = 1, .ack = 1});
    }
  }
}

// RFC 5682: the ACK that was on its way all the time.
TEST(Frto, established_spurious_timeout_is_undone) {
  StackConfig config = small_config();
  config.rto_min = 200ms;
  Harness h(config);
  h.handshake = 100ms;
  h.established();
  h.write("r");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.advance(100ms);
  h.send({});
  write_segments(h, 14);
  EXPECT_EQ(h.sent.size(), 10u);
  h.sent.clear();
  const std::uint32_t cwnd = h.engine().info(h.conn)->cwnd;
  h.silence(1s);
  expect_segment(h, 0);
  h.expect_nothing();
  h.send({.ack = at(2)});
  expect_segment(h, 10);  // new data, not the second segment again
  expect_segment(h, 11);
  h.expect_nothing();
  h.send({.ack = at(4)});
  EXPECT_EQ(h.counters().spurious_recoveries, 1u);
  EXPECT_GE(h.engine().info(h.conn)->cwnd, cwnd);
  for (const Seen& seen : h.sent) EXPECT_GE(seen.segment.seq - h.iss, at(12));
  h.sent.clear();
  h.send({.ack = at(14)});
  EXPECT_EQ(h.counters().retransmits, 1u);
}

TEST(Frto, established_true_timeout_goes_on_retransmitting) {
  Harness h;
  h.established();
  write_segments(h, 14);
  h.sent.clear();
  h.silence(2s);
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = mss});
  h.send({.ack = 1 + mss});
  h.expect({.flags = "A", .seq = 1 + 10 * mss, .ack = 1, .len = mss});
  h.expect({.flags = "A", .seq = 1 + 11 * mss, .ack = 1, .len = mss});
  h.send({.ack = 1 + mss});  // a duplicate: the second segment is missing
  h.expect({.flags = "A", .seq = 1 + mss, .ack = 1, .len = mss});
  EXPECT_EQ(h.counters().spurious_recoveries, 0u);
  h.sent.clear();
  h.send({.ack = 1 + 14 * mss});
  h.sent.clear();
}

// The receiver is short of room and keeps nothing beyond a hole: what F-RTO sends there is the next
// hole. From the second timeout in a row without a sample on, what is lost goes first.
TEST(Frto, established_second_timeout_without_a_sample_fills_the_hole_first) {
  Harness h;
  const auto expect_nth = [&h](std::uint32_t n) {
    h.expect({.flags = "A", .seq = 1 + n * mss, .ack = 1, .len = mss});
  };
  h.established();
  write_segments(h, 16);
  h.sent.clear();
  h.silence(2s);
  expect_nth(0);
  h.send({.ack = 1 + mss});
  expect_nth(10);
  expect_nth(11);
  h.send({.ack = 1 + mss});
  expect_nth(1);
  // The hole was filled, and there is no room for more than what is out: it is gone.
  h.send({.ack = 1 + 10 * mss, .wnd = 2 * mss});
  h.expect_nothing();
  h.silence(5s);
  expect_nth(10);
  h.send({.ack = 1 + 11 * mss});
  expect_nth(11);  // not the thirteenth, for which there is room now
  h.sent.clear();
  h.abort();
  h.take();
  h.expect_closed(Reason::aborted);
}

// The second time is where microseconds in 32 bits are back at the last segment's.
class Idle : public ::testing::TestWithParam<Duration> {};
INSTANTIATE_TEST_SUITE_P(All, Idle,
                         ::testing::Values(Duration{5s},
                                           Duration{(std::int64_t{1} << 32) * 1000 + 1'000'000}));

TEST_P(Idle, established_after_an_idle_timeout_cwnd_is_the_initial_one) {
  Harness h;
  h.established();
  for (int i = 0; i < 3; ++i) {
    const std::uint32_t first = h.our_nxt;
    h.write(std::string(10 * mss, 'd'));
    h.advance(10ms);
    h.send({.ack = first + 10 * mss});
  }
  h.sent.clear();
  EXPECT_GT(h.engine().info(h.conn)->cwnd, 10 * mss);
  h.jump(h.now() + GetParam());
  h.write(std::string(20 * mss, 'd'));
  EXPECT_EQ(h.sent.size(), 10u);
  h.sent.clear();
}

// The place in the send buffer from which retransmissions go on is forgotten with what lay there:
// after half the sequence space it would seem to lie ahead once more.
TEST(Rto, cursor_of_retransmissions_goes_with_what_was_acknowledged) {
  Harness h;
  h.established();
  h.write(std::string(3 * mss, 'd'));
  h.sent.clear();
  h.advance(1100ms);
  ASSERT_FALSE(h.sent.empty());
  h.sent.clear();
  const tcp::Context& c = h.engine().context();
  const tcp::Tcb& t = c.tcbs[0];
  const tcp::Recovery& r = c.recoveries[c.stream(t).recovery];
  ASSERT_TRUE(r.again_valid);
  h.send({.ack = 1 + 3 * mss});
  EXPECT_EQ(t.snd_una, t.snd_nxt);
  EXPECT_FALSE(r.again_valid);
}

TEST(Rto, backoff_outlives_the_retransmission_until_a_sample) {
  Harness h;
  h.established();
  h.write("x");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.expect_after(1s, {.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.expect_after(2s, {.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.send({.ack = 2});
  h.write("y");
  h.expect({.flags = "A", .seq = 2, .ack = 1, .len = 1});
  h.expect_after(4s, {.flags = "A", .seq = 2, .ack = 1, .len = 1});
  h.send({.ack = 3});
  h.write("z");
  h.expect({.flags = "A", .seq = 3, .ack = 1, .len = 1});
  h.advance(100ms);
  EXPECT_EQ(h.engine().info(h.conn)->rto_ms, 8'000u);
  h.send({.ack = 4});  // a sample
  EXPECT_EQ(h.engine().info(h.conn)->rto_ms, 1'000u);
}

}  // namespace
}  // namespace salut::test
