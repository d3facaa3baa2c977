// SYN_RECEIVED: RFC 9293 §3.10.7.4 as far as it concerns opening; the backlog; the MSS option.
#include "harness.hpp"

namespace salut::test {
namespace {

std::uint32_t half_open(Harness& h) { return h.engine().context().listeners[0].half_open; }

TEST(SynReceived, syn_received_ack_established) {
  Harness h;
  h.syn_received();
  EXPECT_EQ(half_open(h), 1u);
  h.send({});
  h.expect_event(Event::accepted);
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::established);
  EXPECT_EQ(half_open(h), 0u);
}

TEST(SynReceived, syn_received_ack_with_data) {
  Harness h;
  h.syn_received();
  h.send({.payload = "hello"});
  h.expect({.flags = "A", .seq = 1, .ack = 6});
  h.expect_event(Event::accepted | Event::readable);
  EXPECT_EQ(h.read(), "hello");
  EXPECT_EQ(h.state(), State::established);
}

TEST(SynReceived, syn_received_ack_with_fin) {
  Harness h;
  h.syn_received();
  h.send({.flags = "FA"});
  h.expect({.flags = "A", .seq = 1, .ack = 2});
  h.expect_event(Event::accepted | Event::peer_closed);
  EXPECT_EQ(h.state(), State::close_wait);
}

TEST(SynReceived, syn_received_ack_with_data_and_fin) {
  Harness h;
  h.syn_received();
  h.send({.flags = "FA", .payload = "all"});
  h.expect({.flags = "A", .seq = 1, .ack = 5});
  h.expect_event(Event::accepted | Event::readable | Event::peer_closed);
  EXPECT_EQ(h.state(), State::close_wait);
  EXPECT_EQ(h.read(), "all");
  EXPECT_EQ(h.read_error(), Errc::end_of_stream);
}

TEST(SynReceived, syn_received_unacceptable_ack_rst) {
  for (const Open how : {Open::passive, Open::active}) {
    for (const std::uint32_t ack : {0u, 2u, 0x7fffffffu}) {
      Harness h;
      h.syn_received(how);
      h.send({.ack = ack});
      h.expect({.flags = "R", .seq = ack});
      h.expect_nothing();
      EXPECT_EQ(h.state(), State::syn_received);
    }
  }
}

TEST(SynReceived, syn_received_rst_passive_back_to_listen) {
  Harness h;
  h.syn_received();
  h.send({.flags = "R"});
  h.expect_nothing();
  h.expect_no_event();
  EXPECT_EQ(h.state(), State::closed);
  EXPECT_EQ(half_open(h), 0u);
  h.send({.flags = "S", .seq = 1000});
  h.expect({.flags = "SA", .seq = 0, .ack = 1001});
}

TEST(SynReceived, syn_received_rst_active_refused) {
  Harness h;
  h.syn_received(Open::active);
  h.send({.flags = "R"});
  h.expect_nothing();
  h.expect_closed(Reason::refused);
  EXPECT_EQ(h.state(), State::closed);
}

TEST(SynReceived, syn_received_rst_in_window_challenged) {
  for (const Open how : {Open::passive, Open::active}) {
    Harness h;
    h.syn_received(how);
    h.send({.flags = "R", .seq = 2});
    h.expect({.flags = "A", .seq = 1, .ack = 1});
    h.send({.flags = "R", .seq = 1 + 65'535});
    h.send({.flags = "R", .seq = 0});
    h.expect_nothing();
    EXPECT_EQ(h.state(), State::syn_received);
  }
}

TEST(SynReceived, syn_received_same_syn_syn_ack_again) {
  for (const Open how : {Open::passive, Open::active}) {
    Harness h;
    h.syn_received(how);
    h.send({.flags = "S", .seq = 0});
    h.expect({.flags = "SA", .seq = 0, .ack = 1});
    EXPECT_EQ(h.state(), State::syn_received);
  }
}

TEST(SynReceived, syn_received_same_syn_with_text_syn_ack_again) {
  Harness h;
  h.syn_received();
  h.send({.flags = "S", .seq = 0, .payload = "early"});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  EXPECT_EQ(h.state(), State::syn_received);
}

TEST(SynReceived, syn_received_other_syn_in_window_passive_back_to_listen) {
  Harness h;
  h.syn_received();
  h.send({.flags = "S", .seq = 5});
  h.expect_nothing();
  h.expect_no_event();
  EXPECT_EQ(h.state(), State::closed);
  EXPECT_EQ(half_open(h), 0u);
}

TEST(SynReceived, syn_received_other_syn_in_window_active_challenged) {
  Harness h;
  h.syn_received(Open::active);
  h.send({.flags = "S", .seq = 5});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  EXPECT_EQ(h.state(), State::syn_received);
}

TEST(SynReceived, syn_received_other_syn_outside_the_window_acked) {
  Harness h;
  h.syn_received();
  h.send({.flags = "S", .seq = 0x40000000});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  EXPECT_EQ(h.state(), State::syn_received);
}

TEST(SynReceived, syn_received_segment_outside_the_window_acked) {
  Harness h;
  h.syn_received();
  h.send({.seq = 1 + 65'535, .payload = "x"});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  EXPECT_EQ(h.state(), State::syn_received);
}

TEST(SynReceived, syn_received_segment_without_ack_dropped) {
  Harness h;
  h.syn_received();
  h.send({.flags = "F", .seq = 1});
  h.send({.flags = "", .seq = 1, .payload = "x"});
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::syn_received);
}

TEST(SynReceived, syn_received_close_fin_wait_1_without_established) {
  Harness h;
  h.syn_received(Open::active);
  h.close();
  EXPECT_EQ(h.state(), State::fin_wait_1);
  h.expect({.flags = "FA", .seq = 1, .ack = 1});  // RFC 9293 §3.10.4: at once
  h.send({.ack = 1});                             // the ACK of our SYN
  h.expect_event(Event::connected);
  EXPECT_EQ(h.counters().states_entered[static_cast<std::size_t>(State::established)], 0u);
  h.send({.ack = 2});
  EXPECT_EQ(h.state(), State::fin_wait_2);
  h.send({.flags = "FA", .ack = 2});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  EXPECT_EQ(h.state(), State::time_wait);
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
}

TEST(SynReceived, syn_received_close_then_syn_ack_lost) {
  Harness h;
  h.syn_received(Open::active);
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 1});  // lost as well
  h.advance(1s + tick);
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  h.send({.ack = 1});
  h.expect_event(Event::connected);
  h.expect_after(3s, {.flags = "FA", .seq = 1, .ack = 1});  // the RTO after a lost SYN
  h.send({.ack = 2});
  EXPECT_EQ(h.state(), State::fin_wait_2);
}

TEST(SynReceived, syn_received_abort_rst) {
  Harness h;
  h.syn_received(Open::active);
  h.abort();
  h.expect({.flags = "RA", .seq = 1, .ack = 1});
  h.expect_closed(Reason::aborted);
}

TEST(SynReceived, syn_received_rto_syn_ack_again_until_r2) {
  StackConfig config = small_config();
  config.syn_ack_retries = 255;
  Harness h(config);
  h.syn_received();
  for (const int seconds : {1, 2, 4, 8, 16, 32, 60}) {
    h.expect_after(std::chrono::seconds(seconds), {.flags = "SA", .seq = 0, .ack = 1, .mss = 1460});
    h.expect_nothing();
  }
  EXPECT_EQ(h.state(), State::syn_received);
  h.advance(60s + tick);
  h.expect_nothing();
  h.expect_no_event();  // nobody was ever told of it
  EXPECT_EQ(h.state(), State::closed);
  EXPECT_EQ(half_open(h), 0u);
}

TEST(SynReceived, syn_received_rto_active_timed_out) {
  StackConfig config = small_config();
  config.syn_timeout = 1s;
  Harness h(config);
  h.syn_received(Open::active);
  h.advance(1s + tick);
  h.expect_closed(Reason::timed_out);
}

TEST(SynReceived, syn_received_third_ack_lost_data_completes) {
  Harness h;
  h.syn_received();
  h.peer_nxt = 1;
  h.send({.seq = 1, .payload = "abc"});  // the first segment that comes through
  h.expect({.flags = "A", .seq = 1, .ack = 4});
  h.expect_event(Event::accepted | Event::readable);
}

TEST(Backlog, listen_syn_over_the_backlog_dropped_and_counted) {
  StackConfig config = small_config();
  config.syn_cookies = false;
  Harness h(config);
  h.listen(2);
  for (std::uint16_t i = 0; i < 3; ++i) {
    h.send({.flags = "S", .seq = 0, .from_port = static_cast<std::uint16_t>(peer_port + i)});
  }
  EXPECT_EQ(h.sent.size(), 2u);
  h.sent.clear();
  EXPECT_EQ(h.drops(Drop::syn_backlog_full), 1u);
  // A finished handshake makes room …
  h.send({.seq = 1, .ack = 1, .from_port = peer_port + 1});
  h.expect_event(Event::accepted);
  h.send({.flags = "S", .seq = 0, .from_port = peer_port + 2});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  // … and so does one that ends.
  h.send({.flags = "R", .seq = 1, .from_port = peer_port + 2});
  h.send({.flags = "S", .seq = 0, .from_port = peer_port + 3});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
}

// A quarter of the slots is for handshakes under way: a flood leaves the rest to connections.
TEST(Backlog, listen_syn_over_a_quarter_of_the_slots_dropped_and_counted) {
  StackConfig config = small_config();
  config.connections = 16;
  config.syn_cookies = false;
  Harness h(config);
  h.listen(100);
  for (std::uint16_t i = 0; i < 17; ++i) {
    h.send({.flags = "S", .seq = 0, .from_port = static_cast<std::uint16_t>(peer_port + i)});
  }
  EXPECT_EQ(h.sent.size(), 4u);
  h.sent.clear();
  EXPECT_EQ(h.drops(Drop::syn_backlog_full), 13u);
  for (int i = 0; i < 12; ++i) {
    EXPECT_TRUE(h.engine().connect({peer_address(), 80}, {}, 0, h.now()));
  }
  const auto made = h.engine().connect({peer_address(), 80}, {}, 0, h.now());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(), Errc::overload);
}

std::uint32_t mss_after(std::optional<unsigned> offered, Open how) {
  Harness h;
  if (how == Open::passive) {
    h.listen();
    h.send({.flags = "S", .mss = offered});
    h.expect({.flags = "SA", .seq = 0, .ack = 1, .mss = 1460});
    h.send({});
    h.expect_event(Event::accepted);
  } else {
    h.syn_sent();
    h.send({.flags = "SA", .mss = offered});
    h.expect({.flags = "A", .seq = 1, .ack = 1});
    h.expect_event(Event::connected);
  }
  const std::uint32_t mss = h.engine().info(h.conn)->mss;
  h.write(std::string(3000, 'm'));
  EXPECT_EQ(h.sent.at(0).segment.payload_length, mss);
  for (const Seen& seen : h.sent) EXPECT_LE(seen.segment.payload_length, mss);
  h.sent.clear();
  return mss;
}

TEST(Mss, syn_without_mss_is_the_least_every_host_takes) {
  EXPECT_EQ(mss_after({}, Open::passive), unsaid_mss());
  EXPECT_EQ(mss_after({}, Open::active), unsaid_mss());
}

TEST(Mss, syn_with_mss_followed_up_to_ours) {
  for (const Open how : {Open::passive, Open::active}) {
    EXPECT_EQ(mss_after(1000, how), 1000u);
    EXPECT_EQ(mss_after(1460, how), 1460u);
    EXPECT_EQ(mss_after(9000, how), 1460u);
    EXPECT_EQ(mss_after(65'535, how), 1460u);
  }
}

TEST(Mss, syn_with_tiny_mss_not_followed_below_64) {
  for (const Open how : {Open::passive, Open::active}) {
    EXPECT_EQ(mss_after(1, how), 64u);
    EXPECT_EQ(mss_after(63, how), 64u);
    EXPECT_EQ(mss_after(65, how), 65u);
  }
}

}  // namespace
}  // namespace salut::test
