// SYN_SENT: RFC 9293 §3.10.7.3, the active open and its end.
#include "harness.hpp"

namespace salut::test {
namespace {

TEST(SynSent, syn_sent_syn_ack_established) {
  Harness h;
  h.syn_sent();
  h.send({.flags = "SA", .wnd = 1234, .mss = 1000});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.expect_event(Event::connected);
  EXPECT_EQ(h.state(), State::established);
  const auto info = h.engine().info(h.conn);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->mss, 1000u);
  EXPECT_EQ(info->snd_wnd, 1234u);
  EXPECT_EQ(info->remote, (Endpoint{peer_address(), peer_port}));
  EXPECT_EQ(h.counters().connected, 1u);
}

TEST(SynSent, syn_sent_syn_ack_with_unacceptable_ack_rst) {
  for (const std::uint32_t ack : {0u, 2u, 0x80000000u}) {
    Harness h;
    h.syn_sent();
    h.send({.flags = "SA", .seq = 0, .ack = ack});
    h.expect({.flags = "R", .seq = ack});
    EXPECT_EQ(h.state(), State::syn_sent);
    h.send({.flags = "SA"});  // the right one still counts
    h.expect({.flags = "A", .seq = 1, .ack = 1});
    h.expect_event(Event::connected);
  }
}

TEST(SynSent, syn_sent_unacceptable_ack_rst) {
  Harness h;
  h.syn_sent();
  h.send({.flags = "A", .seq = 0, .ack = 0});
  h.expect({.flags = "R", .seq = 0});
  h.expect({.flags = "S", .seq = 0});
  h.send({.flags = "A", .seq = 0, .ack = 2});
  h.expect({.flags = "R", .seq = 2});
  h.expect({.flags = "S", .seq = 0});
  EXPECT_EQ(h.state(), State::syn_sent);
}

TEST(SynSent, syn_sent_ack_without_syn_ignored) {
  Harness h;
  h.syn_sent();
  h.send({.flags = "A", .seq = 0, .ack = 1});
  h.send({.flags = "FA", .seq = 0, .ack = 1});
  h.send({.flags = "", .seq = 0});
  h.send({.flags = "F", .seq = 0, .payload = "x"});
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::syn_sent);
}

TEST(SynSent, syn_sent_rst_with_acceptable_ack_refused) {
  Harness h;
  h.syn_sent();
  h.send({.flags = "RA", .seq = 0, .ack = 1});
  h.expect_nothing();
  h.expect_closed(Reason::refused);
  EXPECT_EQ(h.state(), State::closed);
  EXPECT_EQ(h.counters().resets_received, 1u);
}

TEST(SynSent, syn_sent_rst_without_ack_or_with_bad_one_ignored) {
  Harness h;
  h.syn_sent();
  h.send({.flags = "R", .seq = 0});
  h.send({.flags = "RA", .seq = 0, .ack = 0});
  h.send({.flags = "RA", .seq = 0, .ack = 2});
  h.send({.flags = "RS", .seq = 0});
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::syn_sent);
  EXPECT_EQ(h.drops(Drop::tcp_bad_reset), 4u);
}

TEST(SynSent, syn_sent_syn_simultaneous_open) {
  Harness h;
  h.syn_received(Open::active);
  EXPECT_EQ(h.state(), State::syn_received);
  h.send({});
  h.expect_event(Event::connected);
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::established);
}

TEST(SynSent, syn_sent_syn_simultaneous_open_completed_by_syn_ack) {
  Harness h;
  h.syn_received(Open::active);
  h.send({.flags = "SA", .seq = 0, .ack = 1});
  h.expect_event(Event::connected);
  h.expect_nothing();
  h.advance(10s);  // our SYN is acknowledged: it is not sent again
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::established);
  h.send({.payload = "data"});
  h.expect({.flags = "A", .seq = 1, .ack = 5});
  h.expect_event(Event::readable);
}

TEST(SynSent, syn_sent_syn_simultaneous_open_peers_ack_lost) {
  Harness h;
  h.syn_received(Open::active);
  h.advance(1s + tick);
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  h.send({});
  h.expect_event(Event::connected);
}

TEST(SynSent, syn_sent_close_closed) {
  Harness h;
  h.syn_sent();
  h.close();
  h.expect_nothing();
  h.expect_closed(Reason::closed);
  EXPECT_EQ(h.state(), State::closed);
  // The answer finds nobody.
  h.send({.flags = "SA"});
  h.expect({.flags = "R", .seq = 1});
}

TEST(SynSent, syn_sent_abort_closed_without_rst) {
  Harness h;
  h.syn_sent();
  h.abort();
  h.expect_nothing();
  h.expect_closed(Reason::aborted);
  EXPECT_EQ(h.state(), State::closed);
}

TEST(SynSent, syn_sent_close_before_the_syn_left) {
  Harness h;
  h.resolve_peer();
  const auto made = h.engine().connect({peer_address(), 80}, {}, 0, h.now());
  ASSERT_TRUE(made);
  h.conn = *made;
  h.close();
  h.expect_nothing();
  h.expect_closed(Reason::closed);
}

// What write() took is sent: CLOSE waits for the handshake.
TEST(SynSent, syn_sent_close_after_write_waits_for_the_handshake) {
  Harness h;
  h.syn_sent();
  EXPECT_EQ(h.write("early"), 5u);
  h.close();
  h.expect_nothing();
  h.expect_no_event();
  EXPECT_EQ(h.state(), State::syn_sent);
  h.expect_after(1s, {.flags = "S", .seq = 0});  // its timers go on
  h.send({.flags = "SA", .mss = 1460});
  h.expect({.flags = "FA", .seq = 1, .ack = 1, .len = 5, .payload = "early"});
  h.expect_event(Event::connected);
  EXPECT_EQ(h.state(), State::fin_wait_1);
  h.send({});
  EXPECT_EQ(h.state(), State::fin_wait_2);
  h.send({.flags = "FA"});
  h.expect({.flags = "A", .seq = 7, .ack = 2});
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
}

TEST(SynSent, syn_sent_shutdown_after_write_is_a_half_close) {
  Harness h;
  h.syn_sent();
  EXPECT_EQ(h.write(std::string(3'000, 'r')), 3'000u);
  h.shutdown();
  EXPECT_EQ(h.engine().shutdown(h.conn), Errc::not_writable);
  const std::byte more{1};
  EXPECT_EQ(h.engine().write(h.conn, {&more, 1}).error(), Errc::not_writable);
  h.expect_nothing();
  h.send({.flags = "SA", .wnd = 2'920, .payload = "hello", .mss = 1460});
  h.expect({.flags = "A", .seq = 1, .ack = 6, .len = 1460});
  h.expect({.flags = "A", .seq = 1461, .ack = 6, .len = 1460});
  h.expect_event(Event::connected);
  h.expect_event(Event::readable);
  EXPECT_EQ(h.state(), State::fin_wait_1);
  h.send({.ack = 2921});
  h.expect({.flags = "FA", .seq = 2921, .ack = 6, .len = 80});
  EXPECT_EQ(h.read(), "hello");
  h.send({.payload = "answer"});
  h.expect({.flags = "A", .seq = 3002, .ack = 12});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.read(), "answer");
  EXPECT_EQ(h.engine().close(h.conn), Errc::ok);
  h.send({.flags = "FA"});
  h.expect({.flags = "A", .seq = 3002, .ack = 13});
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
}

TEST(SynSent, syn_sent_close_after_write_in_a_simultaneous_open) {
  Harness h;
  h.syn_sent();
  EXPECT_EQ(h.write("early"), 5u);
  h.close();
  h.send({.flags = "S", .mss = 1460});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  EXPECT_EQ(h.state(), State::fin_wait_1);
  h.send({.ack = 1});
  h.expect({.flags = "FA", .seq = 1, .ack = 1, .len = 5});
  h.expect_event(Event::connected);
  h.send({});
  EXPECT_EQ(h.state(), State::fin_wait_2);
}

TEST(SynSent, syn_sent_close_after_write_ends_as_the_opening_does) {
  {
    Harness h;
    h.syn_sent();
    h.write("early");
    h.close();
    h.send({.flags = "RA", .seq = 0, .ack = 1});
    h.expect_closed(Reason::refused);
  }
  {
    StackConfig config = small_config();
    config.syn_timeout = 7s;
    config.orphan_timeout = 5s;  // is for peers that were there
    Harness h(config);
    h.syn_sent();
    h.write("early");
    h.close();
    h.advance(6900ms);
    h.expect_no_event();
    h.advance(200ms);
    h.sent.clear();
    h.expect_closed(Reason::timed_out);
  }
  {
    Harness h;
    h.syn_sent();
    h.write("early");
    h.close();
    h.abort();
    h.expect_nothing();
    h.expect_closed(Reason::aborted);
  }
}

// The peer answered, and takes nothing: the time of an orphan begins with its answer.
TEST(SynSent, syn_sent_close_after_write_to_a_shut_window_is_an_orphan) {
  StackConfig config = small_config();
  config.orphan_timeout = 5s;
  Harness h(config);
  h.syn_sent();
  h.write("early");
  h.close();
  h.advance(900ms);
  h.send({.flags = "SA", .wnd = 0, .mss = 1460});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.expect_event(Event::connected);
  h.advance(4900ms);
  h.expect_no_event();
  h.sent.clear();
  h.advance(200ms);
  h.expect({.flags = "RA", .seq = 1, .ack = 1});
  h.expect_closed(Reason::timed_out);
}

TEST(SynSent, syn_sent_rto_backs_off_and_r2_is_three_minutes) {
  Harness h;
  h.syn_sent();
  for (const int seconds : {1, 2, 4, 8, 16, 32, 60}) {
    h.expect_after(std::chrono::seconds(seconds), {.flags = "S", .seq = 0, .mss = 1460});
  }
  h.advance(56s);  // 180 s, not when the timer would fire the next time
  h.expect_no_event();
  EXPECT_EQ(h.state(), State::syn_sent);
  h.advance(2s);
  h.expect_nothing();
  h.expect_closed(Reason::timed_out);
  EXPECT_EQ(h.state(), State::closed);
}

TEST(SynSent, syn_sent_r2_configurable) {
  StackConfig config = small_config();
  config.syn_timeout = 5s;
  Harness h(config);
  h.syn_sent();
  h.advance(4900ms);
  h.expect({.flags = "S", .seq = 0});
  h.expect({.flags = "S", .seq = 0});
  h.expect_no_event();
  h.advance(200ms);
  h.expect_closed(Reason::timed_out);
}

// There is no window yet: bytes that wait for the handshake do not make it shut.
TEST(SynSent, syn_sent_r2_is_the_same_with_bytes_written) {
  StackConfig config = small_config();
  config.syn_timeout = 100s;
  Harness h(config);
  h.syn_sent();
  h.write("early");
  h.advance(99900ms);
  h.expect_no_event();
  h.advance(200ms);
  h.sent.clear();
  h.expect_closed(Reason::timed_out);
}

TEST(SynSent, syn_sent_rto_syn_lost_then_answered) {
  Harness h;
  h.syn_sent();
  h.advance(1s + tick);
  h.expect({.flags = "S", .seq = 0});
  h.send({.flags = "SA"});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.expect_event(Event::connected);
  h.advance(200s);  // no timer of the SYN is left
  h.expect_nothing();
}

TEST(SynSent, syn_sent_write_is_queued_and_follows_the_handshake) {
  Harness h;
  h.syn_sent();
  EXPECT_EQ(h.write("early"), 5u);
  h.expect_nothing();
  h.send({.flags = "SA", .mss = 1460});
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 5, .payload = "early"});
  h.expect_event(Event::connected);
}

// RFC 9293 §3.10.7.3, fourth check: "if there are other controls or text in the segment, continue".
TEST(SynSent, syn_sent_syn_ack_with_text_and_fin_close_wait) {
  Harness h;
  h.syn_sent();
  h.send({.flags = "SFA", .seq = 0, .payload = "early"});
  h.expect({.flags = "A", .seq = 1, .ack = 7});
  h.expect_event(Event::connected);
  h.expect_event(Event::readable | Event::peer_closed);
  EXPECT_EQ(h.read(), "early");
}

TEST(SynSent, established_third_ack_lost_syn_ack_comes_again) {
  Harness h;
  h.established(Open::active);
  h.send({.flags = "SA", .seq = 0, .ack = 1});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  EXPECT_EQ(h.state(), State::established);
}

TEST(Ports, connect_exhaustion_is_an_error_at_once) {
  Harness h;
  h.syn_sent();  // the only local endpoint that this wish leaves
  const auto again =
      h.engine().connect({peer_address(), peer_port}, {our_address(), 50000}, 0, h.now());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error(), Errc::no_port);
  h.settle();
  h.expect_nothing();
  EXPECT_TRUE(
      h.engine().connect({peer_address(), peer_port + 1}, {our_address(), 50000}, 0, h.now()))
      << "the 4-tuple counts, not the port";
  h.settle();
  h.expect({.flags = "S", .seq = 0});
}

TEST(Ports, connect_refuses_what_can_never_be) {
  Harness h;
  const Endpoint peer{peer_address(), 80};
  const auto error = [&](Endpoint remote, Endpoint local) {
    const auto made = h.engine().connect(remote, local, 0, h.now());
    return made ? Errc::ok : made.error();
  };
  EXPECT_EQ(error({peer_address(), 0}, {}), Errc::invalid_argument);
  EXPECT_EQ(error({any_address(), 80}, {}), Errc::invalid_argument);
  EXPECT_EQ(error({far_address(), 80}, {}), Errc::no_route);
  EXPECT_EQ(error(peer, {free_address(), 0}), Errc::no_route);
  h.settle();
  h.expect_nothing();
}

TEST(Ports, connect_ports_are_distinct_and_not_sequential) {
  Harness h;
  h.resolve_peer();
  std::vector<std::uint16_t> ports;
  for (int i = 0; i < 60; ++i) {
    const auto made = h.engine().connect({peer_address(), 80}, {}, 0, h.now());
    ASSERT_TRUE(made);
    ports.push_back(h.engine().info(*made)->local.port);
  }
  int neighbours = 0;
  for (std::size_t i = 1; i < ports.size(); ++i) neighbours += ports[i] == ports[i - 1] + 1;
  EXPECT_LE(neighbours, 3);
  std::sort(ports.begin(), ports.end());
  EXPECT_EQ(std::unique(ports.begin(), ports.end()), ports.end());
  EXPECT_GE(ports.front(), 1024);
  h.settle();
  EXPECT_EQ(h.sent.size(), 60u);
  h.sent.clear();
}

// RFC 9293 §3.9.2.3 (MUST-46): nobody can answer from there.
TEST(Ports, connect_to_broadcast_or_multicast_refused) {
  Harness h;
  const std::vector<IpAddress> bad =
      over_ip6() ? std::vector{IpAddress::v6(0xff02'0000'0000'0000, 1),
                               IpAddress::v6(0xff0e'0000'0000'0000, 1)}
                 : std::vector{IpAddress::v4(0xe0000001), IpAddress::v4(0xefffffff),
                               IpAddress::v4(0xffffffff), IpAddress::v4(0x0a0000ff)};
  for (const IpAddress& address : bad) {
    const auto made = h.engine().connect({address, 80}, {}, 0, h.now());
    ASSERT_FALSE(made) << address.to_string();
    EXPECT_EQ(made.error(), Errc::invalid_argument) << address.to_string();
  }
  h.settle();
  h.expect_nothing();
}

// RFC 9293 §3.9.1.1 (MUST-42)
TEST(Listen, listen_on_a_port_from_which_a_connection_opens) {
  Harness h;
  h.syn_sent();
  const auto listener = h.engine().listen({our_address(), 50'000}, 4);
  ASSERT_TRUE(listener);
  h.send({.flags = "S", .seq = 0, .from_port = peer_port + 1});
  EXPECT_EQ(h.take().segment.flags, wire::syn | wire::ack);
  EXPECT_EQ(h.counters().states[static_cast<std::size_t>(State::syn_sent)], 1u);
  EXPECT_EQ(h.counters().states[static_cast<std::size_t>(State::syn_received)], 1u);
}

// RFC 1122 §4.2.2.9 with 6528: as if it were new.
TEST(SynSent, syn_sent_syn_ack_with_a_window_of_0_then_probed) {
  Harness h;
  h.syn_sent();
  EXPECT_EQ(h.write("early"), 5u);
  h.send({.flags = "SA", .wnd = 0, .mss = 1460});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.expect_event(Event::connected);
  h.expect_after(1s, {.flags = "A", .seq = 1, .ack = 1, .len = 1});
}

}  // namespace
}  // namespace salut::test
