// ICMP errors about connections, of either family: which end an opening, which mean nothing, and
// which say that the path is narrower.
#include "harness.hpp"
#include "tcp/path_mtu.hpp"

namespace salut::test {
namespace {

using wire::test::Bytes;

// An error about a segment of the harness's connection with this sequence number.
Bytes error_about(std::uint16_t local_port, unsigned type, unsigned code, unsigned mtu,
                  std::uint32_t seq) {
  Bytes quoted =
      test_packet({.source_port = local_port, .destination_port = peer_port, .seq = seq});
  const std::size_t size = over_ip6() ? 16 : 4;
  const std::size_t at = over_ip6() ? 22 : 26;
  std::swap_ranges(quoted.begin() + static_cast<std::ptrdiff_t>(at),
                   quoted.begin() + static_cast<std::ptrdiff_t>(at + size),
                   quoted.begin() + static_cast<std::ptrdiff_t>(at + size));
  Bytes icmp(8);
  icmp[0] = static_cast<std::uint8_t>(type);
  icmp[1] = static_cast<std::uint8_t>(code);
  wire::test::put16(icmp, 6, mtu);
  wire::test::append(icmp, Bytes(quoted.begin() + 14, quoted.end()));
  return over_ip6() ? wire::test::ipv6(58, icmp) : wire::test::ipv4(1, icmp);
}
unsigned port_unreachable() { return over_ip6() ? 4 : 3; }
unsigned unreachable() { return over_ip6() ? 1 : 3; }
unsigned no_route() { return over_ip6() ? 0 : 1; }

TEST(IcmpErrors, syn_sent_port_unreachable_ends_unreachable) {
  Harness h;
  h.syn_sent();
  h.queue_raw(error_about(50'000, unreachable(), port_unreachable(), 0, h.iss));
  h.settle();
  h.expect_closed(Reason::unreachable);
  EXPECT_EQ(h.counters().icmp_errors, 1u);
}

TEST(IcmpErrors, syn_sent_host_unreachable_is_soft) {
  Harness h;
  h.syn_sent();
  h.queue_raw(error_about(50'000, unreachable(), no_route(), 0, h.iss));
  h.settle();
  EXPECT_EQ(h.state(), State::syn_sent);
  EXPECT_EQ(h.counters().icmp_errors, 1u);
  h.expect_event(Event::icmp_error);
}

// Of a connection that has moved no byte; what set_user() sets is in the event behind it already.
TEST(IcmpErrors, syn_sent_soft_error_and_syn_ack_in_one_burst_carry_the_user) {
  Harness h;
  h.syn_sent();
  h.queue_raw(error_about(50'000, unreachable(), no_route(), 0, h.iss));
  h.queue({.flags = "SA", .mss = 1460});
  const std::span<const Event> events = h.engine().poll(h.now());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].what, Event::icmp_error);
  EXPECT_EQ(events[0].user, 7u);
  EXPECT_EQ(h.engine().set_user(h.conn, 42), Errc::ok);
  EXPECT_EQ(events[1].what, Event::connected);
  EXPECT_EQ(events[1].user, 42u);
  h.settle();
  h.expect({.flags = "A", .seq = 1, .ack = 1});
}

TEST(IcmpErrors, syn_sent_quote_of_another_sequence_or_port_is_ignored) {
  Harness h;
  h.syn_sent();
  for (const std::uint32_t seq : {h.iss - 1, h.iss + 1, h.iss + 0x8000'0000}) {
    h.queue_raw(error_about(50'000, unreachable(), port_unreachable(), 0, seq));
  }
  h.queue_raw(error_about(50'001, unreachable(), port_unreachable(), 0, h.iss));
  h.settle();
  EXPECT_EQ(h.state(), State::syn_sent);
  EXPECT_EQ(h.drops(Drop::icmp_unmatched), 4u);
}

TEST(IcmpErrors, established_port_unreachable_is_soft) {
  Harness h;
  h.established();
  h.write("abc");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 3});
  h.queue_raw(error_about(our_port, unreachable(), port_unreachable(), 0, h.iss + 1));
  h.settle();
  EXPECT_EQ(h.state(), State::established);
  h.expect_event(Event::icmp_error);
}

// RFC 9293 §3.9.2.2 (MUST-56): what may pass is no reason to give up. RFC 5927 §4.1: nor is what
// ends an opening one a reason to end an established one.
TEST(IcmpErrors, any_error_of_a_path_is_soft) {
  struct Kind {
    unsigned type;
    unsigned code;
  };
  const std::vector<Kind> kinds =
      over_ip6() ? std::vector<Kind>{{1, 0}, {1, 3}, {3, 0}, {3, 1}, {4, 0}, {4, 2}}
                 : std::vector<Kind>{{3, 0}, {3, 1}, {3, 5}, {11, 0}, {11, 1}, {12, 0}, {12, 1}};
  for (const Kind& kind : kinds) {
    SCOPED_TRACE(std::to_string(kind.type) + "/" + std::to_string(kind.code));
    Harness opening;
    opening.syn_sent();
    opening.queue_raw(error_about(50'000, kind.type, kind.code, 0, opening.iss));
    opening.settle();
    EXPECT_EQ(opening.state(), State::syn_sent);
    EXPECT_EQ(opening.counters().icmp_errors, 1u);
    opening.expect_event(Event::icmp_error);
    Harness h;
    h.established();
    h.write("abc");
    h.take();
    h.queue_raw(error_about(our_port, kind.type, kind.code, 0, h.iss + 1));
    h.settle();
    EXPECT_EQ(h.state(), State::established);
    EXPECT_EQ(h.counters().icmp_errors, 1u);
    h.expect_event(Event::icmp_error);
  }
}

// RFC 9293 §3.9.2.2 (MUST-55), RFC 6633: nothing slows down, nothing ends, nobody is told.
TEST(IcmpErrors, established_source_quench_dropped) {
  if (over_ip6()) return;  // ICMPv6 has none
  Harness h;
  h.established();
  h.write("abc");
  h.take();
  const std::uint32_t cwnd = h.engine().info(h.conn)->cwnd;
  h.queue_raw(error_about(our_port, 4, 0, 0, h.iss + 1));
  h.settle();
  h.expect_nothing();
  EXPECT_EQ(h.engine().info(h.conn)->cwnd, cwnd);
  EXPECT_EQ(h.drops(Drop::icmp_ignored), 1u);
  EXPECT_EQ(h.counters().icmp_errors, 0u);
}

// --- path MTU ----------------------------------------------------------------------------------

Bytes too_big(unsigned mtu, std::uint32_t seq) {
  return over_ip6() ? error_about(our_port, 2, 0, mtu, seq) : error_about(our_port, 3, 4, mtu, seq);
}

TEST(PathMtu, too_big_lowers_the_mss_and_sends_again) {
  Harness h;
  h.established();
  const std::string text(1460, 'x');
  h.write(text);
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1460});
  h.queue_raw(too_big(1300, h.iss + 1));
  h.settle();
  const std::uint32_t mss = over_ip6() ? 1240 : 1260;
  EXPECT_EQ(h.engine().info(h.conn)->mss, mss);
  EXPECT_EQ(h.counters().path_mtu_lowered, 1u);
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = mss});
  h.send({.ack = 1 + mss});
  h.expect({.flags = "A", .seq = 1 + mss, .ack = 1, .len = 1460 - mss});
}

TEST(PathMtu, lie_or_larger_mtu_changes_nothing) {
  Harness h;
  h.established();
  h.write(std::string(1460, 'x'));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1460});
  h.queue_raw(too_big(1300, h.iss + 1461));  // not sent yet
  h.queue_raw(too_big(1300, h.iss));         // acknowledged
  h.queue_raw(too_big(9000, h.iss + 1));
  h.settle();
  EXPECT_EQ(h.engine().info(h.conn)->mss, 1460u);
  EXPECT_EQ(h.drops(Drop::icmp_unmatched), 2u);
}

TEST(PathMtu, never_below_the_floor) {
  Harness h;
  h.established();
  h.write(std::string(1460, 'x'));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1460});
  h.queue_raw(too_big(68, h.iss + 1));
  h.settle();
  EXPECT_EQ(h.engine().info(h.conn)->mss, over_ip6() ? 1220u : 536u);
  h.sent.clear();
}

// Nobody says that it is too large; it only never arrives (RFC 2923 §2.1).
TEST(PathMtu, black_hole_smaller_segments_after_three_timeouts) {
  Harness h;
  h.established();
  const std::uint32_t mss = over_ip6() ? 1220 : 1240;
  h.write(std::string(2920, 'x'));
  EXPECT_EQ(h.sent.size(), 2u);
  h.sent.clear();
  h.expect_after(1s, {.flags = "A", .seq = 1, .ack = 1, .len = 1460});
  h.expect_after(2s, {.flags = "A", .seq = 1, .ack = 1, .len = 1460});
  h.expect_after(4s, {.flags = "A", .seq = 1, .ack = 1, .len = mss});
  EXPECT_EQ(h.counters().path_mtu_lowered, 1u);
  h.send({.ack = 1 + mss});
  EXPECT_FALSE(h.sent.empty());
  for (int i = 0; i < 3; ++i) {
    for (const Seen& seen : h.sent) EXPECT_LE(seen.segment.payload_length, mss);
    const std::uint32_t end = h.sent.empty() ? 2920 + h.iss : h.sent.back().segment.seq;
    h.sent.clear();
    h.send({.ack = end - h.iss});
  }
  h.sent.clear();
  h.send({});
  EXPECT_EQ(h.engine().info(h.conn)->mss, mss);
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
}

TEST(PathMtu, outage_is_no_black_hole) {
  Harness h;
  h.established();
  const std::uint32_t mss = over_ip6() ? 1220 : 1240;
  h.write(std::string(1460, 'x'));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1460});
  h.expect_after(1s, {.flags = "A", .seq = 1, .ack = 1, .len = 1460});
  h.expect_after(2s, {.flags = "A", .seq = 1, .ack = 1, .len = 1460});
  h.expect_after(4s, {.flags = "A", .seq = 1, .ack = 1, .len = mss});
  h.expect_after(8s, {.flags = "A", .seq = 1, .ack = 1, .len = mss});
  h.silence(17s);  // in the pieces that it is in now
  h.sent.clear();
  h.send({});
  EXPECT_EQ(h.engine().info(h.conn)->mss, 1460u);
}

// Small segments time out for other reasons.
TEST(PathMtu, small_segment_that_times_out_suspects_nothing) {
  Harness h;
  h.established();
  h.write(std::string(1000, 'x'));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1000});
  for (const auto wait : {1s, 2s, 4s, 8s}) {
    h.expect_after(wait, {.flags = "A", .seq = 1, .ack = 1, .len = 1000});
  }
  h.send({});
  EXPECT_EQ(h.engine().info(h.conn)->mss, 1460u);
  EXPECT_EQ(h.counters().path_mtu_lowered, 0u);
}

TEST(PathMtu, router_that_says_none_means_the_next_plateau) {
  EXPECT_EQ(tcp::path_mtu_of(1400, 1500), 1400u);
  EXPECT_EQ(tcp::path_mtu_of(0, 1500), 1492u);
  EXPECT_EQ(tcp::path_mtu_of(0, 1492), 1006u);
  EXPECT_EQ(tcp::path_mtu_of(0, 9000), 8166u);
  EXPECT_EQ(tcp::path_mtu_of(0, 600), 508u);
}

}  // namespace
}  // namespace salut::test
