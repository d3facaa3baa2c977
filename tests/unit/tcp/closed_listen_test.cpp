// CLOSED and LISTEN: RFC 9293 §3.10.7.1 and §3.10.7.2.
#include "harness.hpp"

namespace salut::test {
namespace {

constexpr std::uint16_t nobody = 9;  // a port without listener

// SEQ 0 stands absolute in an RST without a connection.
std::uint32_t absolute_zero(const Harness& h) { return 0u - h.iss; }

TEST(Closed, closed_syn_rst_with_seq_0) {
  Harness h;
  h.listen();
  h.send({.flags = "S", .seq = 0, .to_port = nobody});
  h.expect({.flags = "RA", .seq = absolute_zero(h), .ack = 1});
  EXPECT_EQ(h.drops(Drop::tcp_no_connection), 1u);
  EXPECT_EQ(h.counters().resets_sent, 1u);
}

TEST(Closed, closed_ack_rst_with_seq_of_the_ack) {
  Harness h;
  h.listen();
  h.send({.flags = "A", .seq = 77, .ack = 1234, .to_port = nobody});
  h.expect({.flags = "R", .seq = 1234});
}

TEST(Closed, closed_text_without_ack_rst_acknowledges_its_length) {
  Harness h;
  h.listen();
  h.send({.flags = "F", .seq = 5, .payload = "abc", .to_port = nobody});
  h.expect({.flags = "RA", .seq = absolute_zero(h), .ack = 5 + 3 + 1});
}

TEST(Closed, closed_text_alone_rst_acknowledges_its_length) {
  Harness h;
  h.listen();
  h.send({.flags = "P", .seq = 5, .payload = "abc", .to_port = nobody});
  h.expect({.flags = "RA", .seq = absolute_zero(h), .ack = 5 + 3});
}

TEST(Closed, closed_syn_ack_fin_rst_with_seq_of_the_ack) {
  Harness h;
  h.listen();
  h.send({.flags = "SA", .seq = 5, .ack = 9, .to_port = nobody});
  h.expect({.flags = "R", .seq = 9});
  h.send({.flags = "FA", .seq = 5, .ack = 10, .to_port = nobody});
  h.expect({.flags = "R", .seq = 10});
}

TEST(Closed, closed_rst_ignored) {
  Harness h;
  h.listen();
  h.send({.flags = "R", .seq = 5, .to_port = nobody});
  h.send({.flags = "RA", .seq = 5, .ack = 9, .to_port = nobody});
  h.send({.flags = "RS", .seq = 5, .to_port = nobody});
  h.expect_nothing();
  EXPECT_EQ(h.drops(Drop::tcp_reset_unmatched), 3u);
}

TEST(Closed, closed_active_open_sends_syn) {
  Harness h;
  h.syn_sent();
  EXPECT_EQ(h.state(), State::syn_sent);
  EXPECT_EQ(h.counters().active_opens, 1u);
}

TEST(Closed, closed_passive_open_listens) {
  Harness h;
  h.listen();
  EXPECT_EQ(h.counters().states[static_cast<std::size_t>(State::listen)], 1u);
  h.expect_nothing();
}

TEST(Listen, listen_rst_ignored) {
  Harness h;
  h.listen();
  h.send({.flags = "R", .seq = 0});
  h.send({.flags = "RA", .seq = 0, .ack = 1});
  h.send({.flags = "RS", .seq = 0});
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::closed);
}

TEST(Listen, listen_ack_rst) {
  Harness h;
  h.listen();
  h.send({.flags = "A", .seq = 0, .ack = 99});
  h.expect({.flags = "R", .seq = 99});
  h.send({.flags = "SA", .seq = 0, .ack = 98});
  h.expect({.flags = "R", .seq = 98});
  h.send({.flags = "FA", .seq = 0, .ack = 97});
  h.expect({.flags = "R", .seq = 97});
  EXPECT_EQ(h.state(), State::closed);
}

TEST(Listen, listen_anything_else_dropped) {
  Harness h;
  h.listen();
  h.send({.flags = "", .seq = 0});
  h.send({.flags = "F", .seq = 0});
  h.send({.flags = "PU", .seq = 0, .payload = "text"});
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::closed);
}

TEST(Listen, listen_syn_child_and_the_listener_stays) {
  Harness h;
  h.syn_received();
  EXPECT_EQ(h.state(), State::syn_received);
  EXPECT_EQ(h.counters().states[static_cast<std::size_t>(State::listen)], 1u);
  EXPECT_EQ(h.counters().passive_opens, 1u);
  h.expect_no_event();  // nobody's connection until the handshake is complete
}

TEST(Listen, listen_syn_with_text_text_comes_again) {
  Harness h;
  h.listen();
  h.send({.flags = "S", .seq = 0, .payload = "early"});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  EXPECT_EQ(h.state(), State::syn_received);
}

TEST(Listen, listen_active_open_from_its_port) {
  Harness h;
  h.listen();
  const auto made =
      h.engine().connect({peer_address(), peer_port}, {our_address(), our_port}, 0, h.now());
  ASSERT_TRUE(made);
  h.conn = *made;
  h.settle();
  h.expect({.flags = "S", .seq = 0});
  EXPECT_EQ(h.state(), State::syn_sent);
  h.send({.flags = "SA"});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.expect_event(Event::connected);
  // … and the listener goes on listening.
  h.send({.flags = "S", .seq = 500, .from_port = peer_port + 1});
  h.expect({.flags = "SA", .seq = 0, .ack = 501});
}

TEST(Listen, listen_close_resets_handshakes_under_way) {
  Harness h;
  const std::uint16_t listener = h.listen();
  h.send({.flags = "S"});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  EXPECT_EQ(h.engine().unlisten(listener), Errc::ok);
  h.settle();
  h.expect({.flags = "RA", .seq = 1, .ack = 1});
  EXPECT_EQ(h.state(), State::closed);
  EXPECT_EQ(h.counters().states[static_cast<std::size_t>(State::listen)], 0u);
  EXPECT_EQ(h.engine().unlisten(listener), Errc::invalid_argument);
  h.send({.flags = "S", .seq = 100});
  h.expect({.flags = "RA", .seq = absolute_zero(h), .ack = 101});
}

TEST(Listen, listen_close_leaves_accepted_connections) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().unlisten(0), Errc::ok);
  h.settle();
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::established);
  h.send({.payload = "still here"});
  h.expect({.flags = "A", .seq = 1, .ack = 11});
  h.expect_event(Event::readable);
}

TEST(Listen, listen_twice_in_use) {
  Harness h;
  h.listen();
  const auto again = h.engine().listen({any_address(), our_port}, 1);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error(), Errc::in_use);
  EXPECT_TRUE(h.engine().listen({our_address(), our_port}, 1)) << "more exact: another";
  EXPECT_EQ(h.engine().listen({any_address(), our_port + 1}, 0).error(), Errc::invalid_argument);
  EXPECT_EQ(h.engine().listen({far_address(), 5}, 1).error(), Errc::no_route);
}

// RFC 9293 §3.9.2.3 (MUST-63, MUST-57): nothing is answered, nothing kept.
TEST(Listen, listen_syn_from_or_to_broadcast_and_multicast_dropped) {
  const auto syn = [](bool source, const wire::test::Bytes& address) {
    wire::test::Bytes bytes = test_packet({.seq = near_wrap, .ack = 0, .flags = 2});
    const std::size_t at = (over_ip6() ? 22u : 26u) + (source ? 0 : address.size());
    std::copy(address.begin(), address.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
    fix_test_checksums(bytes);
    return bytes;
  };
  wire::test::Bytes group(16);
  group[0] = 0xff, group[1] = 2, group[15] = 1;
  const std::vector<wire::test::Bytes> bad =
      over_ip6() ? std::vector{group, wire::test::Bytes(16)}
                 : std::vector<wire::test::Bytes>{
                       {224, 0, 0, 1}, {255, 255, 255, 255}, {10, 0, 0, 255}, {0, 0, 0, 0}};
  Harness h;
  h.listen();
  for (const bool source : {true, false}) {
    for (const wire::test::Bytes& address : bad) {
      h.queue_raw(syn(source, address));
      h.settle();
      h.expect_nothing();
      EXPECT_TRUE(h.others.empty());
    }
  }
  EXPECT_EQ(h.drops(Drop::ip_bad_source), bad.size());
  EXPECT_EQ(h.drops(Drop::ip_not_for_us), bad.size());
  EXPECT_EQ(h.engine().context().tcbs.in_use(), 0u);
}

// RFC 9293 §3.10.7.2: the RST check comes before all others.
TEST(Listen, listen_rst_with_anything_else_dropped) {
  Harness h;
  h.listen();
  for (const char* flags : {"R", "RA", "RS", "RSA", "RF"}) h.send({.flags = flags, .seq = 0});
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::closed);
}

}  // namespace
}  // namespace salut::test
