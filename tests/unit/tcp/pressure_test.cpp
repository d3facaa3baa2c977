// Who is ended when blocks are short, and who is not (tcp/pressure.hpp).
#include "harness.hpp"
#include "scarcity.hpp"

namespace salut::test {
namespace {

tcp::Stream& stream_of(Harness& h) {
  tcp::Context& c = h.engine().context();
  return c.stream(c.tcbs[h.conn.slot() & 0x3ff'ffff]);
}

// What was noted when blocks were short says nothing an hour and two gigabytes later: sequence
// numbers compare the other way round by then. `ahead`: how far SND.UNA is from it.
TEST(Pressure, established_bulk_sender_is_not_judged_by_an_older_shortage) {
  for (const std::uint32_t ahead : {1u, 1'000u, 0x7fff'0000u}) {
    SCOPED_TRACE(ahead);
    Harness h;
    h.established();
    h.write(std::string(10'000, 'd'));
    {
      const Scarcity scarcity(h);
      h.settle();
    }
    ASSERT_NE(stream_of(h).watched_at, 0u) << "nobody looked";
    h.send({.ack = 10'001});
    h.advance(3600s);
    h.write(std::string(10'000, 'd'));
    h.sent.clear();
    // As if the window had gone round in between.
    stream_of(h).watched_until = Seq{h.iss} + 10'001 + ahead;
    const Scarcity scarcity(h);
    h.advance(100ms);
    h.expect_nothing();
    h.send({.ack = 20'001});
    h.sent.clear();
    EXPECT_EQ(h.counters().pressure_resets, 0u);
    EXPECT_EQ(h.state(), State::established);
  }
}

// The shortage goes on, and the sequence numbers go round while nobody looks.
TEST(Pressure, established_more_than_a_block_ahead_is_nothing_that_was_noted) {
  Harness h;
  h.established();
  h.write(std::string(10'000, 'd'));
  h.sent.clear();
  const Scarcity scarcity(h);
  for (int i = 0; i < 40; ++i) {
    h.advance(1s);
    h.send({.ack = 1});
    h.sent.clear();
    if (stream_of(h).watched_at != 0) stream_of(h).watched_until = Seq{h.iss} + 0x7000'0000;
  }
  EXPECT_EQ(h.counters().pressure_resets, 0u);
  h.abort();
  h.sent.clear(), h.events.clear();
}

// A shortage that pauses is the same one: nobody escapes by giving a block back now and then.
TEST(Pressure, established_shut_window_is_ended_though_the_shortage_pauses) {
  Harness h;
  h.established();
  h.send({.wnd = 0});
  h.write(std::string(10'000, 'd'));
  for (int i = 0; i < 15; ++i) {
    h.advance(50ms);
    const Scarcity scarcity(h);
    h.advance(50ms);
    if (h.state() == State::closed) break;
  }
  EXPECT_EQ(h.counters().pressure_resets, 0u) << "so soon";
  for (int i = 0; i < 60 && h.state() != State::closed; ++i) {
    h.advance(50ms);
    const Scarcity scarcity(h);
    h.advance(50ms);
  }
  EXPECT_EQ(h.counters().pressure_resets, 1u);
  h.sent.clear();
  h.expect_closed(Reason::overload);
}

// The largest has two seconds, the others five: as a rule they need not pay.
TEST(Pressure, established_shut_windows_the_largest_goes_first) {
  StackConfig config = small_config();
  Harness h(config);
  h.listen();
  Connection large;
  Connection small;
  for (const std::uint16_t port : {std::uint16_t{9}, std::uint16_t{10}}) {
    h.send({.flags = "S", .seq = 0, .wnd = 0, .mss = 1460, .from_port = port});
    h.sent.clear();
    h.send({.seq = 1, .ack = 1, .wnd = 0, .from_port = port});
    h.expect_event(Event::accepted);
    (port == 9 ? large : small) = h.conn;
    const std::string text(port == 9 ? 200'000 : 20'000, 'w');
    ASSERT_EQ(h.engine().write(h.conn, std::as_bytes(std::span(text))).value_or(0), text.size());
  }
  h.settle();
  const Scarcity scarcity(h);
  h.advance(1900ms);
  h.sent.clear();
  EXPECT_EQ(h.counters().pressure_resets, 0u);
  h.advance(150ms);
  EXPECT_EQ(h.counters().pressure_resets, 1u);
  ASSERT_EQ(h.events.size(), 1u);
  EXPECT_EQ(h.events.front().connection, large);
  h.expect_event(Event::closed, Reason::overload);
  // What it held is more than an eighth of the pool.
  h.advance(20s);
  EXPECT_EQ(h.counters().pressure_resets, 1u);
  h.conn = small;
  h.abort();
  h.sent.clear();
  h.events.clear();
}

// What was written before the handshake waits for it; the SYN has a limit of its own.
TEST(Pressure, syn_sent_is_not_a_peer_that_takes_nothing) {
  Harness h;
  h.syn_sent();
  h.write("early");
  const Scarcity scarcity(h);
  h.advance(40s);
  EXPECT_EQ(h.state(), State::syn_sent);
  EXPECT_EQ(h.counters().pressure_resets, 0u);
  h.sent.clear();
  h.send({.flags = "SA", .mss = 1460});
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 5});
  h.expect_event(Event::connected);
  h.abort();
  h.sent.clear(), h.events.clear();
}

// Two blocks are offered, and taken, in segments that a block each would not hold.
TEST(Pressure, established_window_of_two_blocks_is_taken_whole) {
  Harness h;
  const std::uint32_t window = 2 * tcp::block_bytes;
  h.resolve_peer();
  const Scarcity scarcity(h, 20);
  h.established();
  ASSERT_EQ(h.engine().info(h.conn)->rcv_wnd, window);
  h.send({.payload = std::string(1'460, 'x')});
  h.send({.payload = std::string(1'460, 'x')});
  h.send({.payload = std::string(window - 2'920, 'x')});
  EXPECT_EQ(h.sent.back().segment.ack - h.irs, 1 + window);
  EXPECT_EQ(h.drops(Drop::tcp_recv_full), 0u);
  EXPECT_EQ(h.read().size(), window);
  h.sent.clear(), h.events.clear();
}

// --- what is in order needs no room --------------------------------------------------------------

// A connection `h.conn`, and an island of another.
struct WithIsland : Harness {
  explicit WithIsland(const StackConfig& config = small_config()) : Harness(config) {
    listen();
    send({.flags = "S", .seq = 0, .mss = 1460, .from_port = 9});
    sent.clear();
    send({.seq = 1, .ack = 1, .from_port = 9});
    send({.seq = 100, .ack = 1, .payload = "island", .from_port = 9});
    events.clear();
    send({.flags = "S", .seq = 0, .mss = 1460});
    peer_nxt = 1;
    send({.ack = 1});
    expect_event(Event::accepted);
    sent.clear();
    our_nxt = 1;
  }
  std::uint64_t dropped() const { return counters().islands_dropped; }
  void end() {
    abort();
    sent.clear(), events.clear();
  }
};

TEST(MakeRoom, write_into_a_block_that_is_open_drops_no_island) {
  WithIsland h;
  h.send({.ack = 1, .wnd = 0});
  EXPECT_EQ(h.write("first"), 5u);
  const Scarcity scarcity(h);
  EXPECT_EQ(h.write("second"), 6u);
  EXPECT_EQ(h.dropped(), 0u);
  h.send({.ack = 1, .wnd = 0, .payload = "in order, and needs a block"});
  EXPECT_EQ(h.dropped(), 1u);
  h.sent.clear(), h.events.clear();
  h.end();
}

TEST(MakeRoom, write_of_what_the_buffer_does_not_hold_drops_no_island) {
  StackConfig config = small_config();
  config.send_buffer = 2'048;
  WithIsland h(config);
  h.send({.ack = 1, .wnd = 0});
  EXPECT_EQ(h.write(std::string(3'000, 'w')), 2'048u);
  const Scarcity scarcity(h);
  EXPECT_EQ(h.write("more"), 0u);
  const std::string lent(5'000, 'l');
  EXPECT_EQ(h.engine().lend(h.conn, std::as_bytes(std::span(lent))).value_or(9), 0u);
  EXPECT_EQ(h.dropped(), 0u);
  h.end();
}

TEST(MakeRoom, lend_of_what_follows_the_last_piece_drops_no_island) {
  WithIsland h;
  h.send({.ack = 1, .wnd = 0});
  const std::string lent(5'000, 'l');
  const auto bytes = std::as_bytes(std::span(lent));
  EXPECT_EQ(h.engine().lend(h.conn, bytes.first(2'000)).value_or(0), 2'000u);
  const Scarcity scarcity(h);
  EXPECT_EQ(h.engine().lend(h.conn, bytes.subspan(2'000)).value_or(0), 3'000u);
  EXPECT_EQ(h.engine().lend(h.conn, bytes.first(1'000)).value_or(9), 0u) << "of the reserve";
  EXPECT_EQ(h.dropped(), 0u);
  h.settle();
  h.end();
}

TEST(MakeRoom, established_text_that_fits_or_is_not_taken_drops_no_island) {
  WithIsland h;
  h.send({.payload = std::string(80, 'x')});
  for (int i = 0; i < 3; ++i) h.send({.payload = std::string(1'000, 'x')});
  const Scarcity scarcity(h);
  h.send({.payload = std::string(900, 'x')});
  EXPECT_EQ(h.dropped(), 0u) << "3,980 bytes need no third block";
  EXPECT_EQ(h.read().size(), 3'980u);
  h.sent.clear(), h.events.clear();
  h.end();
}

// One that may have no more than it has must not cost another what that one has.
TEST(MakeRoom, island_that_is_refused_anyway_drops_no_other) {
  StackConfig config = small_config();
  config.buffer_blocks = 16;
  WithIsland h(config);
  h.send({.seq = 100, .ack = 1, .payload = "mine"});
  h.send({.seq = 200, .ack = 1, .payload = "more"});
  EXPECT_EQ(h.drops(Drop::tcp_not_kept), 1u);
  EXPECT_EQ(h.dropped(), 0u);
  h.sent.clear();
  h.end();
}

}  // namespace
}  // namespace salut::test
