// Every timer where ticks are hard: its deadline just below, at and just above the wrap of the tick
// counter, and a loop that was not polled for minutes: both are harmless.
#include "agreed.hpp"

namespace salut::test {
namespace {

constexpr std::uint32_t mss = 1460;

// Tick 0 begins here; 0 also says "no timer".
const Instant wrap{Duration{std::int64_t{1} << 52}};

// To a minute before it, in steps that the wheel can make.
void come_near(Harness& h) {
  while (h.now() < wrap - 1min) {
    h.jump(std::min(h.now() + 100h, wrap - 1min));
    h.settle();
  }
}

// Runs `body` on a connection in `state`, at instants from which a timer of `wait` fires just
// before, at, and just after the wrap.
template <class Body>
void around_the_wrap(const StackConfig& config, State state, Duration wait, Body&& body) {
  for (const Duration before : {wait - 2 * tick, wait - tick, wait, wait + Duration{1}, wait + tick,
                                wait / 2, Duration{1us}}) {
    SCOPED_TRACE(before.count());
    Harness h(config);
    h.in(state);
    come_near(h);
    h.jump(wrap - before);
    h.settle();
    h.expect_nothing();
    body(h);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Wrap, established_rto_backs_off) {
  around_the_wrap(small_config(), State::established, 1s, [](Harness& h) {
    h.write("x");
    h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
    for (const auto wait : {1s, 2s, 4s}) {
      h.expect_after(wait, {.flags = "A", .seq = 1, .ack = 1, .len = 1});
    }
    h.send({});
    h.advance(1h);
    h.expect_nothing();
  });
}

TEST(Wrap, established_r2_ends_it) {
  StackConfig config = small_config();
  config.retry_timeout = 5s;
  around_the_wrap(config, State::established, 5s, [](Harness& h) {
    h.write("x");
    h.advance(5s - 2 * tick);
    EXPECT_EQ(h.sent.size(), 3u);
    h.sent.clear();
    h.expect_no_event();
    h.advance(8 * tick);
    h.expect_closed(Reason::timed_out);
  });
}

TEST(Wrap, fin_wait_1_fin_again) {
  around_the_wrap(small_config(), State::established, 1s, [](Harness& h) {
    h.close();
    h.expect({.flags = "FA", .seq = 1, .ack = 1});
    h.expect_after(1s, {.flags = "FA", .seq = 1, .ack = 1});
    h.expect_after(2s, {.flags = "FA", .seq = 1, .ack = 1});
  });
}

TEST(Wrap, established_shut_window_probed) {
  around_the_wrap(small_config(), State::established, 1s, [](Harness& h) {
    h.send({.wnd = 0});
    h.write("waiting");
    h.expect_after(1s, {.flags = "A", .seq = 1, .ack = 1, .len = 1});
    h.send({.ack = 1, .wnd = 0});
    h.expect_after(2s, {.flags = "A", .seq = 1, .ack = 1, .len = 1});
    h.send({.ack = 1, .wnd = 0});
    h.expect_after(4s, {.flags = "A", .seq = 1, .ack = 1, .len = 1});
  });
}

TEST(Wrap, fin_wait_2_idle_limit) {
  StackConfig config = small_config();
  config.fin_wait_2 = 10s;
  around_the_wrap(config, State::fin_wait_2, 10s, [](Harness& h) {
    h.close();
    h.advance(10s - tick);
    EXPECT_EQ(h.state(), State::fin_wait_2);
    h.advance(3 * tick);
    h.expect_closed(Reason::closed);
  });
}

TEST(Wrap, established_keep_alive) {
  StackConfig config = small_config();
  config.keep_alive_interval = 3s;
  config.keep_alive_probes = 2;
  around_the_wrap(config, State::established, 10s, [](Harness& h) {
    EXPECT_EQ(h.engine().set_options(h.conn, {.keep_alive = 10s}), Errc::ok);
    h.settle();
    h.expect_after(10s, {.flags = "A", .seq = 0, .ack = 1});
    h.expect_after(3s, {.flags = "A", .seq = 0, .ack = 1});
    h.expect_after(3s, {.flags = "RA", .seq = 1, .ack = 1});
    h.expect_closed(Reason::timed_out);
  });
}

TEST(Wrap, established_user_timeout) {
  around_the_wrap(small_config(), State::established, 3s, [](Harness& h) {
    EXPECT_EQ(h.engine().set_options(h.conn, {.user_timeout = 3s}), Errc::ok);
    h.write("x");
    h.advance(3s - 2 * tick);
    h.sent.clear();
    h.expect_no_event();
    h.advance(4 * tick);
    h.expect_closed(Reason::timed_out);
  });
}

TEST(Wrap, fin_wait_1_linger) {
  around_the_wrap(small_config(), State::established, 500ms, [](Harness& h) {
    EXPECT_EQ(h.engine().set_options(h.conn, {.linger = 500ms}), Errc::ok);
    h.close();
    h.expect({.flags = "FA", .seq = 1, .ack = 1});
    h.expect_after(500ms, {.flags = "RA", .seq = 2, .ack = 1});
    h.expect_closed(Reason::aborted);
  });
}

// SYN and SYN,ACK: the connection begins here.
TEST(Wrap, syn_sent_and_syn_received_come_again) {
  for (const bool passive : {true, false}) {
    for (const Duration before : {Duration{1s} - tick, Duration{1s}, 1s + tick, Duration{1us}}) {
      Harness h;
      h.resolve_peer();
      come_near(h);
      if (passive) {
        ASSERT_TRUE(h.engine().listen({any_address(), our_port}, 4));
      }
      h.jump(wrap - before);
      h.settle();
      if (passive) {
        h.send({.flags = "S", .seq = 0});
      } else {
        ASSERT_TRUE(h.engine().connect({peer_address(), peer_port}, {}, 0, h.now()));
        h.settle();
      }
      const Out again = passive ? Out{.flags = "SA", .seq = 0, .ack = 1} : Out{.flags = "S"};
      h.expect(again);
      h.expect_after(1s, again);
      h.expect_after(2s, again);
    }
  }
}

// With SACK and a round trip of 100 ms behind it; our next byte is number 2.
void sacked(Harness& h) {
  h.listen();
  h.send({.flags = "S", .mss = 1460, .sack_permitted = true});
  h.take();
  h.advance(100ms);
  h.send({});
  h.expect_event(Event::accepted);
  come_near(h);
  h.write("r");
  h.take();
  h.advance(100ms);
  h.send({});
}

TEST(Wrap, established_tail_probe) {
  for (const Duration before : {Duration{200ms}, 200ms - tick, 200ms + tick, Duration{100ms}}) {
    Harness h;
    sacked(h);
    h.jump(wrap - before);
    h.settle();
    h.write(std::string(3 * mss, 'd'));
    h.sent.clear();
    h.expect_after(200ms, {.flags = "A", .seq = 2 + 2 * mss, .ack = 1, .len = mss});
    h.expect_nothing();
    EXPECT_EQ(h.counters().tail_probes, 1u);
  }
}

TEST(Wrap, established_rack_waits_for_reordering) {
  for (const Duration before : {Duration{125ms}, 125ms - tick, 125ms + tick, Duration{110ms}}) {
    Harness h;
    sacked(h);
    h.jump(wrap - before);
    h.settle();
    h.write(std::string(3 * mss, 'd'));
    h.sent.clear();
    h.advance(100ms);
    h.send({.ack = 2, .sack = {2 + mss, 2 + 2 * mss}});
    h.expect_nothing();
    const Duration silent = h.silence(1s);
    EXPECT_LE(silent, 100ms) << "long before the retransmission timer";
    h.expect({.flags = "A", .seq = 2, .ack = 1, .len = mss});
    EXPECT_EQ(h.counters().timeouts, 0u);
    h.sent.clear();
  }
}

TEST(Wrap, any_challenge_limit_begins_anew_each_second) {
  around_the_wrap(small_config(), State::established, 1s, [](Harness& h) {
    for (int i = 0; i < 20; ++i) h.send({.flags = "R", .seq = h.peer_nxt + 7});
    EXPECT_EQ(h.sent.size(), 2u);
    h.sent.clear();
    h.advance(1100ms);
    h.send({.flags = "R", .seq = h.peer_nxt + 7});
    h.expect({.flags = "A", .seq = 1, .ack = 1});
  });
}

// --- a loop that stood still for five minutes ---------------------------------------------------

constexpr Duration stall = 5min;

TEST(Stall, established_rto_one_retransmission_and_no_end) {
  Harness h;
  h.established();
  h.write("x");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.jump(h.now() + stall);  // beyond R2
  h.settle();
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.expect_nothing();
  h.expect_no_event();
  h.expect_after(2s, {.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.send({});
  EXPECT_EQ(h.state(), State::established);
}

// What came meanwhile counts before the timers that are overdue.
TEST(Stall, established_ack_that_waited_stops_the_timer) {
  Harness h;
  h.established();
  // The first time that the timer fires would be the end.
  EXPECT_EQ(h.engine().set_options(h.conn, {.user_timeout = 500ms}), Errc::ok);
  h.write("x");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.queue({});
  h.jump(h.now() + stall);
  h.settle();
  h.expect_nothing();
  EXPECT_EQ(h.counters().retransmits, 0u);
  EXPECT_EQ(h.state(), State::established);
}

TEST(Stall, syn_sent_answer_that_waited_connects) {
  StackConfig config = small_config();
  config.syn_timeout = 500ms;
  Harness h(config);
  h.syn_sent();
  h.queue({.flags = "SA"});
  h.jump(h.now() + stall);
  h.settle();
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.expect_event(Event::connected);
}

TEST(Stall, syn_received_third_ack_that_waited_establishes) {
  StackConfig config = small_config();
  config.syn_timeout = 500ms;
  Harness h(config);
  h.syn_received();
  h.queue({});
  h.jump(h.now() + stall);
  h.settle();
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.state(), State::established);
}

TEST(Stall, syn_sent_one_syn_again_and_no_end) {
  Harness h;
  h.syn_sent();
  h.jump(h.now() + stall);
  h.settle();
  h.expect({.flags = "S", .seq = 0});
  h.expect_no_event();
  h.expect_after(2s, {.flags = "S", .seq = 0});
}

TEST(Stall, fin_wait_2_fin_that_waited_is_in_time) {
  Harness h;
  h.fin_wait_2();
  h.close();
  h.queue({.flags = "FA"});
  h.jump(h.now() + stall);  // beyond the idle limit
  h.settle();
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
  EXPECT_EQ(h.state(), State::time_wait);
}

TEST(Stall, fin_wait_1_ack_that_waited_is_before_the_linger_timer) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().set_options(h.conn, {.linger = 500ms}), Errc::ok);
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
  h.queue({});
  h.jump(h.now() + 10s);
  h.settle();
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::fin_wait_2);
}

TEST(Stall, established_keep_alive_one_probe_and_no_end) {
  StackConfig config = small_config();
  config.keep_alive = 10s;
  config.keep_alive_interval = 1s;
  config.keep_alive_probes = 3;
  Harness h(config);
  h.established();
  h.jump(h.now() + stall);
  h.settle();
  h.expect({.flags = "A", .seq = 0, .ack = 1});
  h.expect_nothing();
  h.expect_no_event();
  h.send({});
  // And not even that if the peer spoke meanwhile.
  h.queue({.payload = "x"});
  h.jump(h.now() + stall);
  h.settle();
  h.expect({.flags = "A", .seq = 1, .ack = 2});
  h.expect_event(Event::readable);
  h.expect_nothing();
}

TEST(Stall, established_shut_window_probed_once_then_backs_off) {
  Harness h;
  h.established();
  h.send({.wnd = 0});
  h.write("waiting");
  h.jump(h.now() + stall);
  h.settle();
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.expect_nothing();
  h.expect_no_event();
  h.send({.ack = 1, .wnd = 0});
  h.expect_after(2s, {.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.send({.ack = 1, .wnd = 0});
  h.expect_after(4s, {.flags = "A", .seq = 1, .ack = 1, .len = 1});
}

TEST(Stall, time_wait_ends_in_the_first_turn) {
  Harness h;
  h.time_wait();
  h.jump(h.now() + stall);
  h.turn();
  EXPECT_EQ(h.state(), State::closed);
  EXPECT_EQ(h.counters().time_wait_expired, 1u);
}

// Many at once: each once, none forgotten, none twice.
TEST(Stall, syn_sent_fifty_timers_fire_once_each) {
  Harness h;
  h.resolve_peer();
  for (std::uint16_t i = 0; i < 50; ++i) {
    const auto port = static_cast<std::uint16_t>(1000 + i);
    ASSERT_TRUE(h.engine().connect({peer_address(), port}, {}, 0, h.now()));
    h.advance(10ms);
  }
  EXPECT_EQ(h.sent.size(), 50u);
  h.sent.clear();
  h.jump(h.now() + stall);
  h.settle();
  EXPECT_EQ(h.sent.size(), 50u);
  EXPECT_EQ(h.counters().retransmits, 50u);
  h.sent.clear();
  h.expect_no_event();
}

}  // namespace
}  // namespace salut::test
