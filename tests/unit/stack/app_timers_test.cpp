// Timers of the application, through the engine: the stack's, and one for each connection.
#include <algorithm>

#include "tcp/harness.hpp"

namespace salut::test {
namespace {

// The next event, which must be this timer's.
void expect_timer(Harness& h, Connection connection, std::uint64_t user) {
  ASSERT_FALSE(h.events.empty());
  EXPECT_EQ(h.events.front().connection, connection);
  EXPECT_EQ(h.events.front().user, user);
  h.expect_event(Event::timer);
}

TEST(StackTimer, comes_once_with_its_user_and_without_a_connection) {
  Harness h;
  ASSERT_TRUE(h.engine().set_timer(10ms, 42));
  h.advance(10ms - 1us);
  h.expect_no_event();
  const auto due = h.engine().next_timer();
  ASSERT_TRUE(due);
  EXPECT_LT(*due - h.now(), tick + 1us);
  h.advance(tick + 1us);
  expect_timer(h, Connection{}, 42);
  h.advance(1h);
  h.expect_no_event();
}

TEST(StackTimer, a_turn_in_which_one_comes_is_busy) {
  Harness h;
  ASSERT_TRUE(h.engine().set_timer(Duration{0}, 1));
  h.turn();
  EXPECT_TRUE(h.engine().last_poll_busy());
  expect_timer(h, Connection{}, 1);
  h.turn();
  EXPECT_FALSE(h.engine().last_poll_busy());
}

TEST(StackTimer, pool_of_the_configuration_then_overload) {
  StackConfig config = small_config();
  config.timers = 16;
  Harness h(config);
  for (std::uint64_t i = 0; i < 15; ++i) ASSERT_TRUE(h.engine().set_timer(1s, i));
  const auto last = h.engine().set_timer(1s, 15);
  ASSERT_TRUE(last);
  EXPECT_EQ(h.engine().set_timer(1s, 15).error(), Errc::overload);
  EXPECT_EQ(h.engine().cancel_timer(*last), Errc::ok);
  EXPECT_TRUE(h.engine().set_timer(1s, 16));
  h.advance(1s + tick);
  EXPECT_EQ(h.events.size(), 16u);
  h.events.clear();
}

// A turn's work is bounded, and so are its events: what is left comes with the next.
TEST(StackTimer, all_due_at_once_take_as_many_turns_as_they_need) {
  StackConfig config = small_config();
  config.timers = 3 * tcp::timer_budget;
  Harness h(config);
  for (std::uint64_t i = 0; i < config.timers; ++i) {
    ASSERT_TRUE(h.engine().set_timer(Duration{0}, i));
  }
  std::size_t before = 0;
  while (h.events.size() < config.timers) {
    h.turn();
    ASSERT_GT(h.events.size(), before) << "stuck";
    ASSERT_LE(h.events.size() - before, tcp::timer_budget);
    before = h.events.size();
  }
  std::vector<std::uint64_t> users;
  for (const Event& event : h.events) users.push_back(event.user);
  std::ranges::sort(users);
  for (std::uint64_t i = 0; i < users.size(); ++i) ASSERT_EQ(users[i], i);
  h.events.clear();
}

// Both kinds share the wheel with what the connections wait for themselves.
TEST(StackTimer, beside_a_retransmission) {
  Harness h;
  h.established();
  ASSERT_TRUE(h.engine().set_timer(500ms, 1));
  h.write("x");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.expect_after(1s, {.flags = "A", .seq = 1, .ack = 1, .len = 1});
  expect_timer(h, Connection{}, 1);
}

// Calls between two polls, long after the first: from set_now() on they count from there.
TEST(StackTimer, counts_from_set_now) {
  Harness h;
  h.engine().set_now(h.now() + 10s);
  ASSERT_TRUE(h.engine().set_timer(1s, 1));
  h.advance(10s);
  h.expect_no_event();
  h.advance(1s + tick);
  expect_timer(h, Connection{}, 1);
}

TEST(ConnectionTimer, established_comes_once_with_the_connection_and_its_user) {
  Harness h;
  h.established();
  ASSERT_EQ(h.engine().set_user(h.conn, 9), Errc::ok);
  ASSERT_EQ(h.engine().set_timer(h.conn, 3s), Errc::ok);
  h.advance(3s - 1us);
  h.expect_no_event();
  h.advance(tick + 1us);
  expect_timer(h, h.conn, 9);
  h.advance(1h);
  h.expect_no_event();
  h.expect_nothing();
}

TEST(ConnectionTimer, established_set_again_is_moved) {
  Harness h;
  h.established();
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(h.engine().set_timer(h.conn, 3s), Errc::ok);
    h.advance(2s);
  }
  h.expect_no_event();
  ASSERT_EQ(h.engine().set_timer(h.conn, 10ms), Errc::ok);  // and forward again
  h.advance(10ms + tick);
  h.expect_event(Event::timer);
  h.advance(1min);
  h.expect_no_event();
}

TEST(ConnectionTimer, established_cancelled_never_comes) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().cancel_timer(h.conn), Errc::ok);  // there is none
  ASSERT_EQ(h.engine().set_timer(h.conn, 3s), Errc::ok);
  EXPECT_EQ(h.engine().cancel_timer(h.conn), Errc::ok);
  h.advance(1min);
  h.expect_no_event();
}

TEST(ConnectionTimer, syn_sent_is_a_limit_to_the_opening) {
  Harness h;
  h.syn_sent();
  ASSERT_EQ(h.engine().set_timer(h.conn, 500ms), Errc::ok);
  h.advance(500ms + tick);
  expect_timer(h, h.conn, 7);
  h.abort();
  h.expect_closed(Reason::aborted);
}

TEST(ConnectionTimer, established_ends_with_the_connection) {
  Harness h;
  h.established();
  ASSERT_EQ(h.engine().set_timer(h.conn, 3s), Errc::ok);
  h.send({.flags = "R"});
  h.expect_closed(Reason::reset);
  EXPECT_EQ(h.engine().set_timer(h.conn, 3s), Errc::not_connected);
  EXPECT_EQ(h.engine().cancel_timer(h.conn), Errc::not_connected);
  h.advance(1min);
  h.expect_no_event();
}

// abort() reports in the next turn: a timer that is due by then comes too late.
TEST(ConnectionTimer, established_aborted_before_it_is_due) {
  Harness h;
  h.established();
  ASSERT_EQ(h.engine().set_timer(h.conn, Duration{0}), Errc::ok);
  h.abort();
  h.expect({.flags = "RA", .seq = 1, .ack = 1});
  h.expect_closed(Reason::aborted);
}

// The next connection of that slot has none, whatever is on the wheel.
TEST(ConnectionTimer, not_inherited_with_the_slot) {
  Harness h;
  h.established();
  const Connection first = h.conn;
  ASSERT_EQ(h.engine().set_timer(first, 3s), Errc::ok);
  h.send({.flags = "R"});
  h.expect_closed(Reason::reset);
  h.syn_sent();
  ASSERT_EQ(h.conn.slot(), first.slot());
  h.send({.flags = "SA"});
  h.sent.clear();
  h.expect_event(Event::connected);
  h.write("so that it has what timers are kept in");
  h.sent.clear();
  h.send({});
  h.advance(1min);
  h.expect_no_event();
}

// CLOSED but for its reader, who has not heard of it: slow readers have a timer like all others.
TEST(ConnectionTimer, closed_with_unread_bytes_still_comes) {
  Harness h;
  h.established();
  h.send({.flags = "FA", .payload = "unread"});
  h.sent.clear();
  h.expect_event(Event::readable | Event::peer_closed);
  h.shutdown();
  h.sent.clear();
  h.send({});
  ASSERT_EQ(h.state(), State::closed);
  ASSERT_TRUE(h.engine().info(h.conn));
  ASSERT_EQ(h.engine().set_timer(h.conn, 3s), Errc::ok);
  h.advance(3s + tick);
  expect_timer(h, h.conn, 0);
  EXPECT_EQ(h.read(), "unread");
  h.expect_closed(Reason::closed);
}

// TIME_WAIT is nobody's connection.
TEST(ConnectionTimer, time_wait_does_not_come) {
  Harness h;
  h.fin_wait_2();
  ASSERT_EQ(h.engine().set_timer(h.conn, 3s), Errc::ok);
  h.send({.flags = "FA"});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
  h.advance(2min);
  h.expect_no_event();
}

// Moved nearer so often in one turn that the wheel has no room: what was set last holds.
TEST(ConnectionTimer, refused_move_leaves_it_where_it_was) {
  Harness h;
  h.established();
  h.advance(1min);  // the wheel has nothing of it that comes earlier
  Duration after = 1h;
  Duration set{};
  Errc answer = Errc::ok;
  for (int i = 0; i < 10'000 && answer == Errc::ok; ++i) {
    set = std::exchange(after, after - 2 * tick);
    answer = h.engine().set_timer(h.conn, after);
  }
  ASSERT_EQ(answer, Errc::overload);
  h.advance(set - 1us);
  h.expect_no_event();
  h.advance(tick + 1us);
  expect_timer(h, h.conn, 0);
}

TEST(ConnectionTimer, values_that_cannot_be) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().set_timer(h.conn, -1ns), Errc::invalid_argument);
  EXPECT_EQ(h.engine().set_timer(h.conn, 24 * 24h + 1ns), Errc::invalid_argument);
  ASSERT_EQ(h.engine().set_timer(h.conn, 24 * 24h), Errc::ok);
  h.turn();
  h.expect_no_event();
}

}  // namespace
}  // namespace salut::test
