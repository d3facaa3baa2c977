// SYN cookies: a SYN over the backlog is answered and forgotten, and the ACK of the answer is a
// connection all the same.
#include "harness.hpp"
#include "scarcity.hpp"
#include "tcp/syn_cookie.hpp"

namespace salut::test {
namespace {

// A listener whose one place in SYN_RECEIVED is taken by somebody who will never answer.
struct Flooded : Harness {
  explicit Flooded(const StackConfig& config = small_config()) : Harness(config) {
    listen(1);
    send({.flags = "S", .seq = 0, .from_port = 7});
    EXPECT_EQ(take().segment.flags, wire::syn | wire::ack);
  }
  // The SYN,ACK that keeps nothing. The harness takes its sequence number for ours.
  Seen cookie(In syn) {
    syn.flags = "S";
    send(syn);
    const Seen answer = take();
    EXPECT_EQ(answer.segment.flags & (wire::syn | wire::ack), wire::syn | wire::ack);
    EXPECT_EQ(answer.segment.seq, iss);
    EXPECT_EQ(engine().context().tcbs.in_use(), 1u) << "the SYN was kept";
    our_nxt = 1;
    return answer;
  }
  const tcp::Tcb& tcb() const {
    return const_cast<Flooded*>(this)->engine().context().tcbs[conn.slot() & 0x3ff'ffff];
  }
};

TEST(Cookie, listen_syn_over_the_backlog_answered_and_not_kept) {
  Flooded h;
  h.cookie({.mss = 1460});
  EXPECT_EQ(h.counters().cookies_sent, 1u);
  EXPECT_EQ(h.counters().passive_opens, 1u);
}

TEST(Cookie, listen_ack_of_a_cookie_established) {
  Flooded h;
  h.cookie({.mss = 1400});
  h.send({});
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.counters().cookies_good, 1u);
  EXPECT_EQ(h.tcb().mss, 1360) << "the largest of the list that is not above the offer";
  EXPECT_EQ(h.engine().context().listeners[0].half_open, 1u) << "only the flooder's";
  EXPECT_EQ(h.write("hello"), 5u);
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 5, .payload = "hello"});
}

TEST(Cookie, listen_ack_of_a_cookie_with_data_and_fin_close_wait) {
  Flooded h;
  h.cookie({.mss = 1460});
  h.send({.flags = "FA", .payload = "all"});
  h.expect({.flags = "A", .seq = 1, .ack = 5});
  h.expect_event(Event::accepted | Event::readable | Event::peer_closed);
  EXPECT_EQ(h.read(), "all");
}

TEST(Cookie, listen_ack_one_beyond_a_cookie_rst) {
  Flooded h;
  h.cookie({.mss = 1460});
  h.send({.seq = 1, .ack = 2});
  h.expect({.flags = "R", .seq = 2});
  EXPECT_EQ(h.counters().cookies_good, 0u);
}

TEST(Cookie, listen_ack_with_another_sequence_rst) {
  Flooded h;
  h.cookie({.mss = 1460});
  h.send({.seq = 2, .ack = 1});
  h.expect({.flags = "R", .seq = 1});
}

TEST(Cookie, listen_ack_from_another_port_rst) {
  Flooded h;
  h.cookie({.mss = 1460});
  h.send({.seq = 1, .ack = 1, .from_port = peer_port + 1});
  h.expect({.flags = "R", .seq = 1});
}

TEST(Cookie, listen_rst_on_a_cookie_ignored) {
  Flooded h;
  h.cookie({.mss = 1460});
  h.send({.flags = "RA", .seq = 1, .ack = 1});
  EXPECT_EQ(h.engine().context().tcbs.in_use(), 1u);
}

TEST(Cookie, listen_ack_after_two_units_rst) {
  Flooded h;
  h.cookie({.mss = 1460});
  h.advance(3 * 69s);
  h.sent.clear();  // the flooder's SYN,ACK, again and again
  h.send({.seq = 1, .ack = 1});
  h.expect({.flags = "R", .seq = 1});
}

TEST(Cookie, options_come_back_with_the_timestamp) {
  StackConfig config = small_config();
  config.recv_buffer = 1 << 20;
  Flooded h(config);
  const Seen answer = h.cookie(
      {.mss = 1460, .wscale = 9, .sack_permitted = true, .ts = Stamps{.val = 1000, .ecr = 0}});
  EXPECT_EQ(answer.segment.tsecr, 1000u);
  EXPECT_EQ(answer.segment.options, wire::option_has_timestamps | wire::option_has_sack_permitted |
                                        wire::option_has_window_scale);
  h.send({.wnd = 100, .ts = Stamps{.val = 1001, .ecr = answer.segment.tsval}});
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.tcb().snd_scale(), 9u);
  EXPECT_EQ(h.tcb().rcv_scale(), 5u);
  EXPECT_EQ(h.tcb().snd_wnd, 100u << 9);
  EXPECT_TRUE(h.tcb().has(tcp::Flag::sack));
  EXPECT_EQ(h.tcb().mss, 1448);
  h.write("x");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1, .ts = Stamps{.ecr = 1001}});
}

TEST(Cookie, without_timestamps_there_is_no_scale_and_no_sack) {
  Flooded h;
  const Seen answer = h.cookie({.mss = 1460, .wscale = 9, .sack_permitted = true});
  EXPECT_EQ(answer.segment.options, 0) << "nothing is promised that will be forgotten";
  h.send({.wnd = 100});
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.tcb().snd_wnd, 100u);
  EXPECT_FALSE(h.tcb().has(tcp::Flag::sack | tcp::Flag::scaling));
}

TEST(Cookie, stamp_is_never_ahead_of_the_clock_and_at_most_64_ms_behind) {
  for (std::uint32_t clock = 0xffffff00; clock != 0x100; ++clock) {
    for (unsigned scale = 0; scale <= 14; ++scale) {
      const std::uint32_t value = tcp::SynCookies::stamp(
          clock, {.timestamps = true, .scaling = true, .wscale = static_cast<std::uint8_t>(scale)});
      ASSERT_LT(clock - value, 64u);
      ASSERT_EQ(value & 15, scale);
    }
  }
}

// The flood itself: no memory, and whoever is there gets in.
TEST(Cookie, twenty_thousand_half_open_evict_nobody) {
  StackConfig config = small_config();
  Flooded h(config);
  h.sent.clear();
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    h.queue({.flags = "S", .seq = i, .from_port = static_cast<std::uint16_t>(1024 + i % 30'000)});
    if (i % 500 == 499) {
      h.settle();
      h.sent.clear();
    }
  }
  EXPECT_EQ(h.engine().context().tcbs.in_use(), 1u);
  EXPECT_EQ(h.counters().cookies_sent, 20'000u);
  h.peer_nxt = 0;
  h.cookie({.mss = 1460});
  h.send({});
  h.expect_event(Event::accepted);
}

// What follows a text that was lost is a guess at the cookie: the odds are in every bit there is.
TEST(Cookie, every_bit_but_the_mss_depends_on_the_peers_sequence) {
  tcp::SynCookies cookies(1);
  const Key key = make_key(peer_ip, 1, our_ip, 2);
  const std::uint32_t first = cookies.make(key, Seq{0}, 1460, Instant{1s}).value;
  std::uint32_t differ = 0;
  for (std::uint32_t irs = 1; irs <= 64; ++irs) {
    differ |= cookies.make(key, Seq{irs}, 1460, Instant{1s}).value ^ first;
  }
  EXPECT_EQ(differ, 0x1fff'ffffu);
}

// What the SYN,ACK offered is what the child takes: the listener's buffer, and not what the pool
// has to spare by the time of the ACK, which nobody was told.
TEST(Cookie, window_of_the_child_is_that_of_the_syn_ack) {
  Flooded h;
  ASSERT_EQ(h.engine().set_options(std::uint16_t{0}, {.recv_buffer = 8'192}), Errc::ok);
  const Seen answer = h.cookie({.mss = 1460});
  EXPECT_EQ(answer.segment.wnd, 8'192);
  h.send({});
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.tcb().rcv_wnd(), 8'192u);
}

TEST(Cookie, window_of_the_child_though_the_pool_is_used_up) {
  Flooded h;
  const Seen answer = h.cookie({.mss = 1460});
  EXPECT_EQ(answer.segment.wnd, 65'535);
  const Scarcity scarcity(h);
  h.send({});
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.tcb().rcv_wnd(), 65'535u);
}

}  // namespace
}  // namespace salut::test
