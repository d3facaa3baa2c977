// Retransmission (RFC 6298, RFC 1122 §4.2.3.5), persist (RFC 9293 §3.8.6.1), FIN_WAIT_2.
#include "harness.hpp"

namespace salut::test {
namespace {

// A sample of the round trip: one byte out, its ACK after `rtt`.
void sample(Harness& h, Duration rtt) {
  const std::uint32_t seq = h.our_nxt;
  h.write("r");
  h.expect({.flags = "A", .seq = seq, .ack = 1, .len = 1});
  h.advance(rtt);
  h.send({});
}

std::uint32_t rto_ms(Harness& h) { return h.engine().info(h.conn)->rto_ms; }

TEST(Rto, established_rto_backs_off_and_r2_ends_it) {
  Harness h;
  h.established();
  h.write("unanswered");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 10});
  for (const int seconds : {1, 2, 4, 8, 16, 32}) {
    h.expect_after(std::chrono::seconds(seconds),
                   {.flags = "A", .seq = 1, .ack = 1, .len = 10, .payload = "unanswered"});
    h.expect_nothing();
  }
  EXPECT_EQ(h.counters().retransmits, 6u);
  h.advance(36s);
  h.expect_no_event();
  h.advance(2s);  // R2 = 100 s, though the timer would fire at 123 s
  h.expect_nothing();
  h.expect_closed(Reason::timed_out);
  EXPECT_EQ(h.state(), State::closed);
}

// RFC 6298 (5.7)
TEST(Rto, established_rto_starts_at_3_s_after_a_lost_syn) {
  Harness h;
  h.syn_sent();
  h.advance(1s + tick);
  h.expect({.flags = "S", .seq = 0});
  h.send({.flags = "SA"});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.expect_event(Event::connected);
  h.write("unanswered");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 10});
  for (const int seconds : {3, 6, 12}) {
    h.expect_after(std::chrono::seconds(seconds),
                   {.flags = "A", .seq = 1, .ack = 1, .len = 10, .payload = "unanswered"});
    h.expect_nothing();
  }
}

// A round trip of no time at all, as a virtual clock has it, is not one of 2^32 microseconds.
TEST(Rto, established_ack_in_the_same_microsecond_is_a_short_sample) {
  for (const Duration later : {0us, 1us}) {
    Harness h;
    h.established();
    h.advance(later);
    sample(h, 0us);
    h.expect_nothing();
    EXPECT_LE(h.engine().info(h.conn)->srtt_us, 1'100u);
  }
}

TEST(Rto, close_wait_rto_retransmits) {
  Harness h;
  h.close_wait();
  h.write("x");
  h.expect({.flags = "A", .seq = 1, .ack = 2, .len = 1});
  h.expect_after(1s, {.flags = "A", .seq = 1, .ack = 2, .len = 1});
}

TEST(Rto, initial_minimum_and_maximum_configurable) {
  StackConfig config = small_config();
  config.rto_initial = 300ms;
  config.rto_min = 250ms;
  config.rto_max = 1s;
  config.retry_timeout = 3600s;
  {
    Harness h(config);
    h.syn_sent();
    for (const Duration wait : {300ms, 600ms, 1000ms, 1000ms}) {
      h.expect_after(wait, {.flags = "S", .seq = 0});
    }
  }
  Harness h(config);
  h.established();
  h.write("x");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  for (const Duration wait : {250ms, 500ms, 1000ms, 1000ms, 1000ms}) {
    h.expect_after(wait, {.flags = "A", .seq = 1, .ack = 1, .len = 1});
  }
}

TEST(Rto, samples_follow_rfc_6298) {
  StackConfig config = small_config();
  config.rto_min = 200ms;
  for (const Open how : {Open::passive, Open::active}) {
    Harness h(config);
    h.handshake = 400ms;
    h.established(how);
    EXPECT_NEAR(rto_ms(h), 400 + 4 * 200, 4) << "the handshake: SRTT = R, RTTVAR = R/2";
    sample(h, 400ms);
    EXPECT_NEAR(rto_ms(h), 400 + 4 * 150, 6) << "RTTVAR = 3/4 RTTVAR + 1/4 |SRTT - R|";
    sample(h, 800ms);
    // RTTVAR = 3/4 * 150 + 1/4 * 400 = 212.5; SRTT = 7/8 * 400 + 1/8 * 800 = 450
    EXPECT_NEAR(rto_ms(h), 450 + 850, 8);
    EXPECT_NEAR(h.engine().info(h.conn)->srtt_us, 450'000, 2'000);
  }
}

// A FIN without data has no more than the handshake to go by.
TEST(Rto, fin_wait_1_bare_fin_waits_for_the_handshakes_round_trip) {
  StackConfig config = plain_config();
  Harness h(config);
  h.handshake = 500ms;
  h.fin_wait_1();
  const Duration wait = h.silence(3s);
  EXPECT_NEAR(static_cast<double>(wait / 1ms), 1500, 5);
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
}

// Karn: which of the two SYN,ACKs is meant?
TEST(Rto, syn_received_repeated_syn_ack_is_no_sample) {
  Harness h(plain_config());
  h.syn_received();
  h.expect_after(1s, {.flags = "SA", .seq = 0, .ack = 1});
  h.advance(300ms);
  h.send({});
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.engine().info(h.conn)->rto_ms, 3'000u);
}

// The same if it was not our timer that sent it again, but the peer's SYN that came again.
TEST(Rto, syn_received_syn_ack_repeated_for_the_peer_is_no_sample) {
  for (const Open how : {Open::passive, Open::active}) {
    Harness h(plain_config());
    h.syn_received(how);
    h.advance(900ms);
    h.send({.flags = "S", .seq = 0, .mss = 1460});
    h.expect({.flags = "SA", .seq = 0, .ack = 1});
    h.advance(50ms);
    h.send({});
    h.expect_event(how == Open::active ? Event::connected : Event::accepted);
    // No timer has fired, which is what the 3 s of RFC 6298 (5.7) are for.
    EXPECT_EQ(h.engine().info(h.conn)->rto_ms, 1'000u);
    h.write("x");
    EXPECT_EQ(h.engine().info(h.conn)->srtt_us, 0u);
    h.sent.clear();
  }
}

// Of a simultaneous open the SYN,ACK is our SYN once more.
TEST(Rto, syn_received_of_a_simultaneous_open_is_no_sample) {
  Harness h(plain_config());
  h.syn_sent();
  h.advance(400ms);
  h.send({.flags = "S", .mss = 1460});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  h.advance(400ms);
  h.send({});
  h.expect_event(Event::connected);
  h.write("x");
  EXPECT_EQ(h.engine().info(h.conn)->srtt_us, 0u);
  h.sent.clear();
}

TEST(Rto, fast_paths_get_the_minimum) {
  StackConfig config = small_config();
  config.rto_min = 200ms;
  Harness h(config);
  h.established();
  sample(h, 1ms);
  EXPECT_EQ(rto_ms(h), 200u);
  h.write("x");
  h.expect({.flags = "A", .seq = 2, .ack = 1, .len = 1});
  h.expect_after(200ms, {.flags = "A", .seq = 2, .ack = 1, .len = 1});
}

TEST(Rto, karn_a_retransmitted_segment_is_no_sample) {
  Harness h;
  h.handshake = 300ms;
  h.established();
  h.write("x");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.expect_after(1s, {.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.advance(10ms);
  h.send({});
  EXPECT_NEAR(h.engine().info(h.conn)->srtt_us, 300'000, 2'000);
  sample(h, 500ms);
  EXPECT_NEAR(h.engine().info(h.conn)->srtt_us, 325'000, 2'000);
}

TEST(Rto, ack_of_what_lies_before_the_timed_segment_is_no_sample) {
  StackConfig config = small_config();
  config.no_delay = true;
  Harness h(config);
  h.handshake = 300ms;
  h.established();
  h.write("a");  // timed
  h.write("b");  // not: one at a time
  h.advance(300ms);
  h.send({.ack = 2});
  EXPECT_NEAR(h.engine().info(h.conn)->srtt_us, 300'000, 2'000);
  h.write("c");  // timed
  h.send({.ack = 3});
  EXPECT_NEAR(h.engine().info(h.conn)->srtt_us, 300'000, 2'000) << "b's ACK says nothing of c";
  h.advance(300ms);
  h.send({.ack = 4});
  EXPECT_NEAR(h.engine().info(h.conn)->srtt_us, 300'000, 2'000);
  h.sent.clear();
}

TEST(Rto, ack_of_a_part_starts_the_timer_again) {
  Harness h;
  h.established();
  h.write(std::string(2920, 'p'));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1460});
  h.expect({.flags = "A", .seq = 1461, .ack = 1, .len = 1460});
  h.advance(900ms);
  h.send({.ack = 1461});
  const Duration rto = std::chrono::milliseconds(rto_ms(h));
  h.expect_after(rto, {.flags = "A", .seq = 1461, .ack = 1, .len = 1460});
}

TEST(Rto, ack_of_all_stops_the_timer) {
  Harness h;
  h.established();
  h.write("x");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.send({});
  h.advance(3600s);
  h.expect_nothing();
}

TEST(Rto, established_rto_goes_back_to_snd_una) {
  Harness h;
  h.established();
  std::string text;
  for (int i = 0; i < 4 * 1460; ++i) text += static_cast<char>('a' + i % 23);
  h.write(text);
  EXPECT_EQ(h.sent.size(), 4u);
  h.sent.clear();
  h.expect_after(1s,
                 {.flags = "A", .seq = 1, .ack = 1, .len = 1460, .payload = text.substr(0, 1460)});
  h.expect_nothing();         // one segment: the loss window
  h.send({.ack = 1 + 1460});  // it came; slow start from here
  h.expect({.flags = "A", .seq = 1461, .ack = 1, .len = 1460, .payload = text.substr(1460, 1460)});
  h.expect({.flags = "A", .seq = 2921, .ack = 1, .len = 1460, .payload = text.substr(2920, 1460)});
  h.expect_nothing();
  h.send({.ack = 1 + 4 * 1460});  // the rest was there all the time
  h.expect_nothing();
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
  h.advance(10s);
  h.expect_nothing();
}

TEST(Persist, zero_window_probed_with_one_byte_and_backoff) {
  Harness h;
  h.established();
  h.send({.wnd = 0});
  h.write("waiting");
  h.expect_nothing();
  for (const Duration wait : {1s, 2s, 4s, 8s, 16s, 32s}) {
    const Duration silent = h.silence(70s);
    EXPECT_GE(silent, wait);
    EXPECT_LE(silent, wait + 3 * tick);
    h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1, .payload = "w"});
    h.send({.ack = 1, .wnd = 0});
  }
  h.send({.ack = 1, .wnd = 1000});
  EXPECT_GE(h.sent.size(), 1u);
  std::string got = "w";
  for (const Seen& seen : h.sent) {
    if (seen.segment.seq - h.iss == 1) got = seen.payload;
    if (seen.segment.seq - h.iss == 2) got += seen.payload;
  }
  EXPECT_EQ(got, "waiting");
  h.sent.clear();
}

// The peer would not look at an ACK past its window.
TEST(Persist, zero_window_probed_acks_lie_where_the_peer_looks) {
  Harness h;
  h.established();
  h.send({.wnd = 0});
  h.write("waiting");
  h.silence(70s);
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1, .payload = "w"});
  h.send({.ack = 1, .wnd = 0, .payload = "hello"});
  h.expect({.flags = "A", .seq = 1, .ack = 6});
  h.expect_event(Event::readable);
}

TEST(Persist, zero_window_never_given_up_while_probes_are_answered) {
  for (const bool sampled : {false, true}) {
    Harness h;
    h.established();
    if (sampled) sample(h, 2ms);
    h.send({.wnd = 0});
    const std::uint32_t una = h.our_nxt;
    h.write("waiting");
    int probes = 0;
    for (Duration passed{0}; passed < 2h && h.state() == State::established;) {
      passed += h.silence(130s);
      h.sent.clear();
      ++probes;
      h.send({.ack = una, .wnd = 0});
    }
    h.expect_no_event();
    EXPECT_EQ(h.state(), State::established);
    EXPECT_GT(probes, 50);
    h.send({.ack = una});
    h.expect({.flags = "A", .seq = una, .ack = 1, .len = 7, .payload = "waiting"});
  }
}

TEST(Persist, zero_window_unanswered_probes_end_in_timed_out) {
  Harness h;
  h.established();
  h.send({.wnd = 0});
  h.write("waiting");
  h.advance(400s);
  EXPECT_GT(h.sent.size(), 4u);
  h.sent.clear();
  h.expect_closed(Reason::timed_out);
}

TEST(Persist, zero_window_then_silence_after_answers_ends_in_timed_out) {
  Harness h;
  h.established();
  h.send({.wnd = 0});
  h.write("waiting");
  for (int i = 0; i < 20; ++i) {
    h.silence(130s);
    h.sent.clear();
    h.send({.ack = 1, .wnd = 0});
  }
  h.expect_no_event();
  h.advance(400s);
  h.sent.clear();
  h.expect_closed(Reason::timed_out);
}

TEST(Persist, zero_window_closed_while_waiting_still_delivers) {
  Harness h;
  h.established();
  h.send({.wnd = 0});
  h.write("waiting");
  h.close();
  EXPECT_EQ(h.state(), State::fin_wait_1);
  h.silence(2s);
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.send({.ack = 1, .wnd = 1000});
  h.advance(5s);
  const Seen last = h.sent.empty() ? Seen{} : h.sent.back();
  EXPECT_TRUE((last.segment.flags & wire::fin) != 0);
  EXPECT_EQ(h.our_nxt, 9u);
  h.sent.clear();
  h.send({.ack = 9});
  EXPECT_EQ(h.state(), State::fin_wait_2);
}

TEST(FinWait2, half_close_waits_for_ever) {
  Harness h;
  h.fin_wait_2();
  h.advance(4h);
  h.expect_nothing();
  h.expect_no_event();
  EXPECT_EQ(h.state(), State::fin_wait_2);
}

TEST(FinWait2, full_close_waits_60_s) {
  for (const Open how : {Open::passive, Open::active}) {
    Harness h;
    h.established(how);
    h.close();
    h.expect({.flags = "FA", .seq = 1, .ack = 1});
    h.send({});
    EXPECT_EQ(h.state(), State::fin_wait_2);
    h.advance(60s - tick);
    EXPECT_EQ(h.state(), State::fin_wait_2);
    h.advance(3 * tick);
    h.expect_nothing();
    h.expect_closed(Reason::closed);
    EXPECT_EQ(h.state(), State::closed);
  }
}

TEST(FinWait2, full_close_after_half_close_waits_from_then) {
  StackConfig config = small_config();
  config.fin_wait_2 = 5s;
  Harness h(config);
  h.fin_wait_2();
  h.advance(1h);
  h.close();
  h.advance(5s - tick);
  EXPECT_EQ(h.state(), State::fin_wait_2);
  h.advance(3 * tick);
  h.expect_closed(Reason::closed);
}

TEST(FinWait2, full_close_by_a_segment_off_the_road_waits_60_s) {
  Harness h;
  h.established();
  h.send({.payload = "seen"});
  h.expect({.flags = "A", .seq = 1, .ack = 5});
  h.expect_event(Event::readable);
  h.read();
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 5});
  h.send({.flags = "UA"});  // URG leaves the fast path
  EXPECT_EQ(h.state(), State::fin_wait_2);
  h.advance(61s);
  h.expect_closed(Reason::closed);
}

}  // namespace
}  // namespace salut::test
