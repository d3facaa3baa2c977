// What an application keeps for each connection: Event::user, and the tables of its own.
#include <unordered_map>

#include "salut/connection_table.hpp"
#include "tcp/harness.hpp"

namespace salut::test {
namespace {

// A child that is accepted and says more in one burst: its events come out of one poll().
struct AcceptedWithMore {
  explicit AcceptedWithMore(const std::vector<In>& more) {
    h.syn_received();
    h.queue({});
    for (const In& in : more) h.queue(in);
    events = h.engine().poll(h.now());
  }
  ~AcceptedWithMore() {
    h.settle();
    h.sent.clear();
    h.events.clear();
  }
  Harness h;
  std::span<const Event> events;
};

TEST(User, accepted_with_data_the_events_behind_carry_what_was_set) {
  AcceptedWithMore burst({{.payload = "hello"}, {.flags = "FA"}});
  ASSERT_EQ(burst.events.size(), 3u);
  ASSERT_EQ(burst.events[0].what, Event::accepted);
  EXPECT_EQ(burst.events[0].user, 0u);
  EXPECT_EQ(burst.h.engine().set_user(burst.events[0].connection, 42), Errc::ok);
  EXPECT_EQ(burst.events[1].what, Event::readable);
  EXPECT_EQ(burst.events[1].user, 42u);
  EXPECT_EQ(burst.events[2].what, Event::peer_closed);
  EXPECT_EQ(burst.events[2].user, 42u);
  EXPECT_EQ(burst.h.engine().user(burst.events[0].connection), 42u);
}

// Who frees by `user` what it made on `accepted` must find it there.
TEST(User, accepted_and_reset_closed_carries_what_was_set) {
  AcceptedWithMore burst({{.flags = "R"}});
  ASSERT_EQ(burst.events.size(), 2u);
  const Connection connection = burst.events[0].connection;
  EXPECT_EQ(burst.h.engine().set_user(connection, 42), Errc::ok);
  EXPECT_EQ(burst.events[1].what, Event::closed);
  EXPECT_EQ(burst.events[1].user, 42u);
  EXPECT_EQ(burst.h.engine().user(connection).error(), Errc::not_connected);
  burst.h.settle();
  EXPECT_EQ(burst.h.engine().set_user(connection, 43), Errc::not_connected);
}

TEST(User, set_twice_the_last_one_counts) {
  Harness h;
  h.syn_received();
  h.queue({});
  h.settle();
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.engine().user(h.conn), 0u);
  EXPECT_EQ(h.engine().set_user(h.conn, 1), Errc::ok);
  EXPECT_EQ(h.engine().set_user(h.conn, 2), Errc::ok) << "the last one counts";
  h.send({.payload = "x"});
  ASSERT_EQ(h.events.size(), 1u);
  EXPECT_EQ(h.events.front().user, 2u);
  h.expect_event(Event::readable);
  h.expect({.flags = "A", .seq = 1, .ack = 2});
}

TEST(User, two_connections_of_one_burst_keep_their_own) {
  Harness h;
  h.syn_received();
  h.queue({});
  h.queue({.flags = "S", .seq = 0, .from_port = 7});
  h.queue({.payload = "hello"});
  const std::span<const Event> events = h.engine().poll(h.now());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(h.engine().set_user(events[0].connection, 42), Errc::ok);
  EXPECT_EQ(h.engine().set_user(Connection(events[0].connection.slot() + 1, 1), 7), Errc::ok);
  EXPECT_EQ(events[1].user, 42u);
  h.settle();
  h.sent.clear();
}

TEST(User, connect_gives_it_from_the_first_event_on) {
  Harness h;
  h.syn_sent();
  EXPECT_EQ(h.engine().user(h.conn), 7u);
  h.send({.flags = "SA", .mss = 1460});
  ASSERT_FALSE(h.events.empty());
  EXPECT_EQ(h.events.front().user, 7u);
  h.expect_event(Event::connected);
  h.expect({.flags = "A", .seq = 1, .ack = 1});
}

TEST(Handles, connection_is_a_key) {
  std::unordered_map<Connection, int> map;
  for (std::uint32_t slot = 0; slot < 100; ++slot) {
    for (std::uint32_t generation = 1; generation < 100; ++generation) {
      map[Connection(slot, generation)] = static_cast<int>(slot * 1000 + generation);
    }
  }
  EXPECT_EQ(map.size(), 9'900u);
  EXPECT_EQ(map.at(Connection(17, 3)), 17'003);
  std::unordered_map<std::size_t, int> hashes;
  for (const auto& [connection, value] : map) ++hashes[std::hash<Connection>{}(connection) % 4096];
  for (const auto& [hash, count] : hashes) EXPECT_LT(count, 24) << hash;
}

struct Session {
  std::uint32_t generation = 0;
  std::uint32_t value = 5;
};

TEST(Handles, table_knows_a_connection_by_slot_and_generation) {
  constexpr std::uint32_t stack = 3u << Connection::slot_bits;
  ConnectionTable<Session> table(8);
  EXPECT_EQ(table.find(Connection(stack | 2, 1)), nullptr);
  Session* session = table.open(Connection(stack | 2, 1));
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->value, 5u) << "fresh";
  session->value = 6;
  EXPECT_EQ(table.find(Connection(stack | 2, 1)), session);
  EXPECT_EQ(table.find(Connection(stack | 2, 2)), nullptr) << "a later one of the slot";
  EXPECT_EQ(table.find(Connection{}), nullptr);
  EXPECT_EQ(table.connection(*session), Connection(stack | 2, 1));
  EXPECT_EQ(table.open(Connection(stack | 8, 1)), nullptr) << "beyond the table";
  table.open(Connection(stack | 4, 9))->value = 7;
  std::uint32_t sum = 0;
  table.for_each([&](Connection connection, Session& one) {
    sum += connection.generation() * one.value;
    table.close(one);
  });
  EXPECT_EQ(sum, 1u * 6 + 9u * 7);
  EXPECT_EQ(table.find(Connection(stack | 2, 1)), nullptr);
  EXPECT_EQ(table.used(), 5u);
  EXPECT_EQ(table.at(4), nullptr);
}

}  // namespace
}  // namespace salut::test
