// Thousands of connections in one engine, ended in every way there is: afterwards every pool is
// as full as it was.
#include "tcp/harness.hpp"

namespace salut::test {
namespace {

StackConfig big_config() {
  StackConfig config;
  config.connections = 4096;
  config.time_wait = 4096;
  config.buffer_blocks = 1024;
  return config;
}

void expect_all_given_back(Harness& h) {
  h.sent.clear();
  h.events.clear();
  h.advance(200s);
  h.sent.clear();
  h.events.clear();
  tcp::Context& c = h.engine().context();
  EXPECT_EQ(c.tcbs.in_use(), 0u);
  EXPECT_EQ(c.flows.size(), 0u);
  EXPECT_EQ(c.time_wait.size(), 0u);
  EXPECT_EQ(c.buffers.available_blocks(), h.config().buffer_blocks);
  EXPECT_EQ(c.listeners[0].half_open, 0u);
  EXPECT_EQ(h.pool().outstanding(), 0u);
  EXPECT_EQ(h.engine().open_connections(), 0u);
  for (std::size_t s = 0; s < state_count; ++s) {
    const std::uint64_t expected = static_cast<State>(s) == State::listen ? 1 : 0;
    EXPECT_EQ(c.counters.states[s], expected) << state_names[s];
  }
}

// A connection from its own port, as far as ESTABLISHED; its events are taken.
void open(Harness& h, std::uint16_t port) {
  h.sent.clear();
  h.events.clear();
  h.send({.flags = "S", .seq = 0, .mss = 1460, .from_port = port});
  h.send({.seq = 1, .ack = 1, .from_port = port});
  EXPECT_EQ(h.sent.size(), 1u);
  EXPECT_EQ(h.events.size(), 1u);
  h.sent.clear();
  h.events.clear();
}

enum class End { passive, active, both, reset, abort, unread, half_open, vanish, count };

void end(Harness& h, std::uint16_t port, End how) {
  switch (how) {
    case End::passive:
      h.send({.flags = "FA", .seq = 1, .ack = 1, .payload = "bye", .from_port = port});
      h.read();
      h.close();
      h.send({.seq = 5, .ack = 2, .from_port = port});
      break;
    case End::active:
      h.write("some bytes");
      h.close();
      h.send({.flags = "FA", .seq = 1, .ack = 12, .from_port = port});
      break;
    case End::both:
      h.close();
      h.send({.flags = "FA", .seq = 1, .ack = 1, .from_port = port});
      h.send({.seq = 2, .ack = 2, .from_port = port});
      break;
    case End::reset:
      h.write(std::string(5000, 'w'));
      h.send({.flags = "R", .seq = 1, .from_port = port});
      break;
    case End::abort:
      h.abort();
      break;
    case End::unread:
      h.send({.seq = 1, .ack = 1, .payload = "unread", .from_port = port});
      h.close();
      break;
    case End::half_open:
      h.send({.flags = "R", .seq = 1, .from_port = port});
      h.send({.flags = "S", .seq = 9, .from_port = port});
      h.send({.flags = "R", .seq = 10, .from_port = port});
      break;
    default:
      h.close();  // … and the peer never answers
  }
}

TEST(Churn, thousands_of_connections_leave_nothing_behind) {
  Harness h(big_config());
  h.listen(4096);
  std::mt19937_64 random(1);
  std::array<std::uint64_t, static_cast<std::size_t>(End::count)> ways = {};
  std::uint64_t closed = 0;
  constexpr int connections = 6000;
  for (int i = 0; i < connections; ++i) {
    const auto port = static_cast<std::uint16_t>(1024 + i);
    const auto how = static_cast<End>(random() % ways.size());
    ++ways[static_cast<std::size_t>(how)];
    open(h, port);
    end(h, port, how);
    for (const Event& event : h.events) closed += event.has(Event::closed) ? 1u : 0u;
    h.events.clear();
    h.sent.clear();
    if (i % 100 == 0) h.advance(1s);
    for (const Event& event : h.events) closed += event.has(Event::closed) ? 1u : 0u;
    h.events.clear();
    h.sent.clear();
  }
  h.advance(200s);
  for (const Event& event : h.events) closed += event.has(Event::closed) ? 1u : 0u;
  EXPECT_EQ(closed, static_cast<std::uint64_t>(connections)) << "each is told once";
  std::uint64_t ended = 0;
  for (const std::uint64_t n : h.counters().ended) ended += n;
  EXPECT_EQ(ended, closed);
  EXPECT_EQ(h.counters().accepted, static_cast<std::uint64_t>(connections));
  EXPECT_TRUE(h.engine().context().flows.audit());
  expect_all_given_back(h);
}

TEST(Churn, slots_are_reused_with_new_generations) {
  StackConfig config = big_config();
  config.connections = 16;
  Harness h(config);
  h.listen(16);
  std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
  for (std::uint16_t i = 0; i < 500; ++i) {
    open(h, static_cast<std::uint16_t>(2000 + i));
    EXPECT_TRUE(seen.emplace(h.conn.slot(), h.conn.generation()).second);
    h.abort();
  }
  expect_all_given_back(h);
}

// Many aborts at once: no turn does more than its budget, none is forgotten.
TEST(Churn, output_budget_bounds_a_turn) {
  Harness h(big_config(), 1, 8192);
  h.listen(4096);
  std::vector<Connection> all;
  for (std::uint16_t i = 0; i < 3000; ++i) {
    open(h, static_cast<std::uint16_t>(2000 + i));
    all.push_back(h.conn);
  }
  for (const Connection connection : all) EXPECT_EQ(h.engine().abort(connection), Errc::ok);
  h.turn();
  EXPECT_EQ(h.sent.size(), tcp::output_budget);
  EXPECT_EQ(h.events.size(), tcp::output_budget);
  h.settle();
  EXPECT_EQ(h.sent.size(), all.size());
  EXPECT_EQ(h.events.size(), all.size());
  EXPECT_TRUE(h.engine().context().outputs.empty());
  expect_all_given_back(h);
}

TEST(Churn, one_connection_with_much_to_send_leaves_room_for_others) {
  StackConfig config = big_config();
  config.send_buffer = 1'000'000;
  Harness h(config);
  h.established();
  h.send({.wnd = 65'535});
  h.write(std::string(500'000, 'w'));
  while (h.our_nxt < 500'001) {
    const std::size_t before = h.sent.size();
    h.queue({});
    h.turn();
    EXPECT_LE(h.sent.size() - before, 128u);  // twice a turn at most
    h.settle();
  }
  EXPECT_GE(h.sent.size(), 500'000u / 1460);
  h.sent.clear();
  h.send({});
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
}

}  // namespace
}  // namespace salut::test
