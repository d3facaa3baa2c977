// Graceful ends, of a connection and of the stack; a walk over all connections; listen on port 0.
#include <set>

#include "tcp/harness.hpp"

namespace salut::test {
namespace {

TEST(CloseGently, discards_what_is_unread_and_what_comes_until_the_fin) {
  Harness h;
  h.established();
  h.send({.payload = "unread"});
  h.expect_event(Event::readable);
  h.expect({.flags = "A", .seq = 1, .ack = 7});
  EXPECT_EQ(h.write("bye"), 3u);
  h.expect({.flags = "A", .seq = 1, .ack = 7, .len = 3});
  EXPECT_EQ(h.engine().close_gently(h.conn, 10s), Errc::ok);
  h.settle();
  h.expect({.flags = "FA", .seq = 4, .ack = 7});
  EXPECT_EQ(h.read_error(), Errc::not_connected);
  EXPECT_EQ(h.engine().close(h.conn), Errc::not_connected);
  h.send({.ack = 5});
  EXPECT_EQ(h.state(), State::fin_wait_2);
  h.send({.ack = 5, .payload = std::string(1460, 'x')});
  h.send({.ack = 5, .payload = std::string(1460, 'y')});
  h.advance(1s);
  EXPECT_EQ(h.take().segment.flags & wire::rst, 0u) << "close() would reset";
  h.sent.clear();
  h.expect_no_event();
  h.send({.flags = "FA", .ack = 5});
  h.expect({.flags = "A", .seq = 5, .ack = 2928});
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
  EXPECT_EQ(h.engine().context().buffers.available_blocks(), h.config().buffer_blocks);
}

TEST(CloseGently, out_of_order_text_is_discarded_too) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().close_gently(h.conn, 10s), Errc::ok);
  h.settle();
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
  h.send({.seq = 101, .ack = 2, .payload = std::string(100, 'b')});
  h.expect({.flags = "A", .seq = 2, .ack = 1});
  h.send({.flags = "FA", .seq = 201, .ack = 2});
  h.expect({.flags = "A", .seq = 2, .ack = 1});
  h.send({.seq = 1, .ack = 2, .payload = std::string(100, 'a')});
  h.expect({.flags = "A", .seq = 2, .ack = 202});
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
}

TEST(CloseGently, peer_that_never_closes_is_reset_after_the_limit) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().close_gently(h.conn, 100s), Errc::ok);
  h.settle();
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
  h.send({.ack = 2});
  h.advance(99s);
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::fin_wait_2) << "fin_wait_2_s is 60, the limit is its own";
  h.advance(2s);
  h.expect({.flags = "RA", .seq = 2, .ack = 1});
  h.expect_closed(Reason::aborted);
}

TEST(CloseGently, after_shutdown_and_in_close_wait) {
  Harness half;
  half.fin_wait_2();
  EXPECT_EQ(half.engine().close_gently(half.conn, 5s), Errc::ok);
  half.settle();
  half.expect_nothing();
  half.advance(6s);
  half.expect({.flags = "RA", .seq = 2, .ack = 1});
  half.expect_closed(Reason::aborted);

  Harness h;
  h.close_wait();
  EXPECT_EQ(h.engine().close_gently(h.conn, 5s), Errc::ok);
  h.settle();
  h.expect({.flags = "FA", .seq = 1, .ack = 2});
  h.send({.ack = 2});
  h.expect_closed(Reason::closed);
  EXPECT_EQ(h.engine().close_gently(h.conn, 5s), Errc::not_connected);
}

TEST(CloseGently, a_limit_out_of_its_range_changes_nothing) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().close_gently(h.conn, -1ns), Errc::invalid_argument);
  EXPECT_EQ(h.engine().close_gently(h.conn, std::chrono::hours{25}), Errc::invalid_argument);
  h.settle();
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::established);
}

TEST(Finish, closes_gently_and_resets_the_rest) {
  Harness h;
  h.established();
  h.engine().finish(10s);
  h.settle();
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
  h.send({.flags = "S", .seq = 0, .from_port = 7});
  h.expect_nothing();
  EXPECT_EQ(h.drops(Drop::syn_draining), 1u);
  h.send({.ack = 2, .payload = "still talking"});
  h.advance(1s);
  h.sent.clear();
  EXPECT_EQ(h.engine().open_connections(), 1u);
  h.advance(10s);
  h.expect({.flags = "RA", .seq = 2, .ack = 14});
  h.expect_closed(Reason::aborted);
  EXPECT_EQ(h.engine().open_connections(), 0u);
}

TEST(Finish, handshake_under_way_completes_and_is_closed) {
  Harness h;
  h.syn_received();
  h.engine().finish(10s);
  h.settle();
  h.expect_nothing();
  h.send({});
  h.expect_event(Event::accepted);
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
  h.send({.flags = "FA", .ack = 2});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
  EXPECT_EQ(h.engine().open_connections(), 0u);
}

TEST(Finish, handshake_that_never_completes_is_reset) {
  Harness h;
  h.syn_received();
  h.engine().finish(500ms);
  h.advance(800ms);
  EXPECT_EQ(h.engine().open_connections(), 0u);
  h.expect({.flags = "RA", .seq = 1, .ack = 1});
  h.expect_no_event();
}

// The documented loop ends when open_connections() is 0. By then `closed` has come for those too
// that only unread bytes kept: in CLOSED, and in TIME_WAIT.
unsigned closed_in_the_documented_loop(Harness& h) {
  h.engine().finish(10s);
  unsigned closed = 0, polls = 0;
  for (; h.engine().open_connections() != 0 && polls < 1'000; ++polls) {
    for (const Event& event : h.engine().poll(h.now())) closed += event.has(Event::closed) ? 1 : 0;
  }
  EXPECT_LT(polls, 1'000u) << "the loop ends";
  return closed;
}

TEST(Finish, closed_with_unread_bytes_is_told_before_the_loop_ends) {
  Harness h;
  h.established();
  h.send({.flags = "FA", .payload = "unread"});
  EXPECT_EQ(h.engine().shutdown(h.conn), Errc::ok);
  h.settle();
  h.send({.ack = 2});
  h.expect_event(Event::readable | Event::peer_closed);
  h.sent.clear();
  ASSERT_EQ(h.state(), State::closed);
  ASSERT_TRUE(h.engine().info(h.conn)) << "the reader is not done";
  EXPECT_EQ(closed_in_the_documented_loop(h), 1u);
}

TEST(Finish, time_wait_with_unread_bytes_is_told_before_the_loop_ends) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().shutdown(h.conn), Errc::ok);
  h.settle();
  h.send({.flags = "FA", .ack = 2, .payload = "unread"});
  h.expect_event(Event::readable | Event::peer_closed);
  h.sent.clear();
  ASSERT_EQ(h.state(), State::time_wait);
  ASSERT_TRUE(h.engine().info(h.conn)) << "the reader is not done";
  EXPECT_EQ(closed_in_the_documented_loop(h), 1u);
  EXPECT_EQ(h.state(), State::time_wait) << "2MSL is not cut short";
}

TEST(Finish, loop_ends_at_once_where_there_is_no_connection) {
  Harness h;
  EXPECT_EQ(closed_in_the_documented_loop(h), 0u);
}

TEST(Walk, finds_every_connection_once) {
  Harness h;
  h.listen();
  std::set<Connection> known;
  for (std::uint16_t port = 1; port <= 5; ++port) {
    h.peer_nxt = 0;
    h.send({.flags = "S", .seq = 0, .mss = 1460, .from_port = port});
    if (port == 3) continue;  // half open: it has no handle yet
    h.send({.seq = 1, .ack = 1, .from_port = port});
    known.insert(h.conn);
  }
  ASSERT_EQ(known.size(), 4u);
  std::set<Connection> seen;
  std::uint32_t cursor = 0;
  int calls = 0;
  std::array<Connection, 3> some;
  do {
    const std::size_t n = h.engine().connections(cursor, some);
    seen.insert(some.begin(), some.begin() + static_cast<std::ptrdiff_t>(n));
    ASSERT_LT(++calls, 10);
  } while (cursor != 0);
  EXPECT_EQ(seen, known);
  for (const Connection connection : known) h.engine().abort(connection);
  h.settle();
  h.sent.clear();
  h.events.clear();
  EXPECT_EQ(h.engine().connections(cursor, some), 0u);
  EXPECT_EQ(cursor, 0u);
}

TEST(ListenAnyPort, finds_one_that_is_free) {
  Harness h;
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 50; ++i) {
    const auto listener = h.engine().listen({any_address(), 0}, 16);
    ASSERT_TRUE(listener);
    const auto where = h.engine().local_endpoint(*listener);
    ASSERT_TRUE(where);
    EXPECT_GE(where->port, 49'152);
    EXPECT_TRUE(ports.insert(where->port).second) << where->port;
    EXPECT_EQ(h.engine().listen(*where, 16).error(), Errc::in_use);
  }
  EXPECT_EQ(h.engine().local_endpoint(999).error(), Errc::invalid_argument);
}

TEST(ListenAnyPort, passes_over_a_port_that_is_taken_at_one_address) {
  Harness h;
  const auto first = h.engine().listen({any_address(), 0}, 16);
  const std::uint16_t port = h.engine().local_endpoint(*first)->port;
  const auto next = static_cast<std::uint16_t>(port == 65'535 ? 49'152 : port + 1);
  ASSERT_TRUE(h.engine().listen({our_address(), next}, 16));
  const auto second = h.engine().listen({any_address(), 0}, 16);
  EXPECT_NE(h.engine().local_endpoint(*second)->port, next);
}

}  // namespace
}  // namespace salut::test
