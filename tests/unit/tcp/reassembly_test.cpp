// Data and FIN beyond RCV.NXT: kept within bounds, delivered once and in order (RFC 9293
// §3.10.7.4).
#include <map>
#include <random>

#include "agreed.hpp"
#include "scarcity.hpp"
#include "tcp/reassembly.hpp"

namespace salut::test {
namespace {

std::uint32_t free_blocks(Harness& h) { return h.engine().context().buffers.available_blocks(); }
std::uint32_t islands(Harness& h) { return h.engine().context().islands.in_use(); }
void expect_all_back(Harness& h) {
  EXPECT_EQ(free_blocks(h), h.config().buffer_blocks);
  EXPECT_EQ(islands(h), 0u);
}

// Byte n of the peer's stream, whichever segment brings it.
char byte_at(std::uint32_t n) { return static_cast<char>('!' + n * 7 % 90); }
std::string bytes(std::uint32_t from, std::uint32_t to) {
  std::string text;
  for (std::uint32_t n = from; n < to; ++n) text += byte_at(n);
  return text;
}
// The peer's segment with bytes [from, to).
In piece(std::uint32_t from, std::uint32_t to, const char* flags = "A") {
  return {.flags = flags, .seq = from, .payload = bytes(from, to)};
}

// All bytes before `end` are there now: acknowledged, told of, and read as they were sent. Nothing
// is kept any more.
void expect_delivered(Harness& h, std::uint32_t end, Where where = Where::current()) {
  const ::testing::ScopedTrace trace(where.file_name(), static_cast<int>(where.line()), "here");
  h.expect({.flags = "A", .seq = 1, .ack = end}, where);
  h.expect_event(Event::readable, Reason::none, where);
  EXPECT_EQ(h.read(), bytes(1, end));
  expect_all_back(h);
}
// The same, and the FIN behind them is taken.
void expect_delivered_with_fin(Harness& h, std::uint32_t end, Where where = Where::current()) {
  const ::testing::ScopedTrace trace(where.file_name(), static_cast<int>(where.line()), "here");
  h.expect({.flags = "A", .seq = 1, .ack = end + 1}, where);
  h.expect_event(Event::readable | Event::peer_closed, Reason::none, where);
  EXPECT_EQ(h.state(), State::close_wait);
  EXPECT_EQ(h.read(), bytes(1, end));
  EXPECT_EQ(h.read_error(), Errc::end_of_stream);
  expect_all_back(h);
}
// A gap is before what came: an ACK of nothing, and the reader hears nothing.
void expect_waits(Harness& h, Where where = Where::current()) {
  h.expect({.flags = "A", .seq = 1, .ack = 1}, where);
  h.expect_no_event(where);
}

TEST(Reassembly, established_gap_filled_delivers_all) {
  Harness h;
  h.established();
  h.send(piece(11, 21));
  expect_waits(h);
  h.send(piece(1, 11));
  expect_delivered(h, 21);
}

// An island at [20, 40); the second segment lies to it in every way there is.
TEST(Reassembly, established_overlap_in_every_relative_position) {
  for (std::uint32_t from = 2; from <= 50; from += 3) {
    for (std::uint32_t to = from + 1; to <= 60; to += 3) {
      SCOPED_TRACE(std::to_string(from) + " to " + std::to_string(to));
      Harness h(only({.sack = true}));
      agree(h, {.sack = true});
      h.send(piece(20, 40));
      h.send(piece(from, to));
      h.sent.clear();
      h.expect_no_event();
      h.send(piece(1, 61));
      expect_delivered(h, 61);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(Reassembly, established_one_segment_over_many_islands) {
  Harness h;
  h.established();
  for (std::uint32_t at = 10; at < 200; at += 20) h.send(piece(at, at + 7));
  EXPECT_EQ(islands(h), 10u);
  h.sent.clear();
  h.send(piece(5, 300));
  expect_waits(h);
  h.send(piece(1, 5));
  expect_delivered(h, 300);
}

TEST(Reassembly, established_in_order_segment_over_islands) {
  Harness h;
  h.established();
  h.send(piece(10, 20));
  h.send(piece(30, 40));
  h.sent.clear();
  h.send(piece(1, 35));  // covers one and a half
  expect_delivered(h, 40);
}

TEST(Reassembly, established_flight_behind_one_loss_is_one_island) {
  Harness h;
  h.established();
  for (std::uint32_t at = 1461; at < 20 * 1460; at += 1460) {
    h.send(piece(at, at + 1460));
    expect_waits(h);
  }
  EXPECT_EQ(islands(h), 1u);
  h.send(piece(1, 1461));
  expect_delivered(h, 1 + 20 * 1460);
}

TEST(Reassembly, established_no_more_islands_than_there_may_be) {
  StackConfig config = small_config();
  config.buffer_blocks = 16 * tcp::islands_max;  // half of an eighth is one connection's
  Harness h(config);
  h.established();
  for (std::uint32_t i = 1; i <= tcp::islands_max + 20; ++i) {
    h.send(piece(i * 10, i * 10 + 5));
    expect_waits(h);
  }
  EXPECT_EQ(islands(h), tcp::islands_max);
  EXPECT_EQ(h.drops(Drop::tcp_not_kept), 20u);
  // One that continues the last still finds room.
  h.send(piece(645, 660));
  expect_waits(h);
  EXPECT_EQ(h.drops(Drop::tcp_not_kept), 20u);
  h.send(piece(1, 645));
  expect_delivered(h, 660);
}

TEST(Reassembly, established_an_eighth_of_the_pool_is_for_data_out_of_order) {
  StackConfig config = only({.sack = true});
  config.buffer_blocks = 64;
  Harness h(config);
  agree(h, {.sack = true});
  Scarcity scarcity(h, 32);
  for (std::uint32_t at = 101; at < 60'000; at += 1000) h.send(piece(at, at + 1000));
  EXPECT_EQ(free_blocks(h), 28u) << "half of it: another connection finds room";
  EXPECT_GT(h.drops(Drop::tcp_not_kept), 0u);
  const Edges told = h.sent.back().sack_relative(h.irs);
  h.sent.clear();
  ASSERT_EQ(told.size(), 2u) << "what was refused is not told of as received";
  EXPECT_EQ(told[0], 101u);
  h.send(piece(1, 101));
  h.expect({.flags = "A", .seq = 1, .ack = told[1]});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.read(), bytes(1, told[1]));
  h.sent.clear();  // that there is room again
  scarcity.end();
  expect_all_back(h);
}

TEST(Reassembly, established_beyond_the_window_cut_off) {
  StackConfig config = only({.sack = true});
  config.recv_buffer = 2048;
  Harness h(config);
  agree(h, {.sack = true});
  h.send(piece(1049, 2100));  // the window ends at 2049
  h.expect({.flags = "A", .seq = 1, .ack = 1, .sack = Edges{1049, 2049}});
  h.send(piece(2049, 2100));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .sack = Edges{1049, 2049}});
  EXPECT_EQ(h.drops(Drop::tcp_out_of_window), 1u);
  h.send(piece(1, 1049));
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .wnd = 0});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.read(), bytes(1, 2049));
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .wnd = 2048});
  expect_all_back(h);
}

TEST(Reassembly, fin_wait_2_half_closed_side_reassembles) {
  Harness h;
  h.fin_wait_2();
  h.send(piece(11, 21));
  h.expect({.flags = "A", .seq = 2, .ack = 1});
  h.send(piece(1, 11, "FA"));  // its FIN lies where bytes are kept: there is none
  h.expect({.flags = "A", .seq = 2, .ack = 21});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.state(), State::fin_wait_2);
  EXPECT_EQ(h.read(), bytes(1, 21));
}

// --- FIN --------------------------------------------------------------------------------------

TEST(ReassemblyFin, fin_before_its_data_waits) {
  Harness h;
  h.established();
  h.send({.flags = "FA", .seq = 11});
  expect_waits(h);
  EXPECT_EQ(h.state(), State::established);
  h.send(piece(1, 11));
  expect_delivered_with_fin(h, 11);
}

TEST(ReassemblyFin, fin_with_data_beyond_a_gap_waits) {
  Harness h;
  h.established();
  h.send(piece(11, 21, "FA"));
  expect_waits(h);
  h.send(piece(1, 6));
  h.expect({.flags = "A", .seq = 1, .ack = 6});
  h.expect_event(Event::readable);
  h.send(piece(6, 11));
  expect_delivered_with_fin(h, 21);
}

TEST(ReassemblyFin, kept_fin_comes_again_with_what_was_missing) {
  Harness h;
  h.established();
  h.send({.flags = "FA", .seq = 11});
  expect_waits(h);
  h.send(piece(1, 11, "FA"));
  expect_delivered_with_fin(h, 11);
}

TEST(ReassemblyFin, data_past_a_kept_fin_is_not_taken) {
  for (const std::uint32_t from : {1u, 6u, 11u, 12u, 30u}) {
    SCOPED_TRACE(from);
    Harness h(only({.sack = true}));
    agree(h, {.sack = true});
    h.send({.flags = "FA", .seq = 11});
    expect_waits(h);
    h.send(piece(from, 40));
    h.sent.clear();
    h.events.clear();
    if (h.state() == State::established) {
      h.send(piece(1, 11));
      h.expect({.flags = "A", .seq = 1, .ack = 12});
      h.expect_event(Event::readable | Event::peer_closed);
    }
    EXPECT_EQ(h.state(), State::close_wait);
    EXPECT_EQ(h.read(), bytes(1, 11));
    EXPECT_EQ(h.read_error(), Errc::end_of_stream);
    expect_all_back(h);
  }
}

TEST(ReassemblyFin, fin_before_bytes_that_are_kept_is_nonsense) {
  Harness h;
  h.established();
  h.send(piece(11, 21));
  expect_waits(h);
  h.send({.flags = "FA", .seq = 15});
  expect_waits(h);
  EXPECT_EQ(h.drops(Drop::tcp_not_kept), 1u);
  h.send(piece(1, 11));
  expect_delivered(h, 21);
  EXPECT_EQ(h.state(), State::established);
}

TEST(ReassemblyFin, two_different_fins_the_first_counts) {
  for (const std::uint32_t second : {6u, 20u}) {
    Harness h;
    h.established();
    h.send({.flags = "FA", .seq = 11});
    expect_waits(h);
    h.send({.flags = "FA", .seq = second});
    expect_waits(h);
    EXPECT_EQ(h.drops(Drop::tcp_not_kept), 1u);
    h.send(piece(1, 11));
    expect_delivered_with_fin(h, 11);
  }
}

TEST(ReassemblyFin, fin_beyond_the_window_is_not_kept) {
  StackConfig config = small_config();
  config.recv_buffer = 2048;
  Harness h(config);
  h.established();
  h.send({.flags = "FA", .seq = 2049});
  expect_waits(h);
  h.send(piece(1001, 2049, "FA"));  // its text ends with the window
  expect_waits(h);
  h.send(piece(1, 1001));
  h.expect({.flags = "A", .seq = 1, .ack = 2049});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.state(), State::established);
  h.read();
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .wnd = 2048});
  h.send({.flags = "FA", .seq = 2049});
  h.expect({.flags = "A", .seq = 1, .ack = 2050});
  h.expect_event(Event::peer_closed);
}

TEST(ReassemblyFin, fin_wait_states_fin_in_a_gap_then_filled) {
  for (const State state : {State::fin_wait_1, State::fin_wait_2}) {
    Harness h;
    h.in(state);
    h.send({.flags = "FA", .seq = 5, .ack = state == State::fin_wait_1 ? 1u : 2u});
    h.expect({.flags = "A", .seq = 2, .ack = 1});
    EXPECT_EQ(h.state(), state);
    h.send({.seq = 1, .ack = state == State::fin_wait_1 ? 1u : 2u, .payload = bytes(1, 5)});
    h.expect({.flags = "A", .seq = 2, .ack = 6});
    h.expect_event(Event::readable | Event::peer_closed);
    EXPECT_EQ(h.state(), state == State::fin_wait_1 ? State::closing : State::time_wait);
    EXPECT_EQ(h.read(), bytes(1, 5));
    h.events.clear();
  }
}

// --- the end, with gaps -----------------------------------------------------------------------

TEST(ReassemblyEnd, close_with_a_gap_fin_then_reset_when_more_comes) {
  Harness h;
  h.established();
  h.send(piece(11, 21));
  expect_waits(h);
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
  h.send({.seq = 1, .ack = 2, .payload = bytes(1, 11)});
  h.expect({.flags = "R", .seq = 2});
  h.expect_closed(Reason::aborted);
  expect_all_back(h);
}

TEST(ReassemblyEnd, reset_abort_and_timeout_give_all_back) {
  for (const int how : {0, 1, 2}) {
    Harness h;
    h.established();
    for (std::uint32_t at = 11; at < 400; at += 20) h.send(piece(at, at + 10));
    h.send({.flags = "FA", .seq = 500});
    h.sent.clear();
    EXPECT_GT(islands(h), 0u);
    if (how == 0) {
      h.send({.flags = "R", .seq = 1});
      h.expect_closed(Reason::reset);
    } else if (how == 1) {
      h.abort();
      h.expect({.flags = "RA", .seq = 1, .ack = 1});
      h.expect_closed(Reason::aborted);
    } else {
      h.write("never acknowledged");
      h.advance(400s);
      h.sent.clear();
      h.expect_closed(Reason::timed_out);
    }
    expect_all_back(h);
  }
}

TEST(ReassemblyEnd, slot_used_again_remembers_nothing) {
  Harness h;
  h.established();
  h.send(piece(11, 21));
  expect_waits(h);
  h.send({.flags = "R", .seq = 1});
  h.expect_closed(Reason::reset);
  h.peer_nxt = 0;
  h.our_nxt = 0;
  h.send({.flags = "S", .mss = 1460});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  h.send({});
  h.expect_event(Event::accepted);
  h.send(piece(1, 11));
  expect_delivered(h, 11);
}

// --- against a stupid oracle ------------------------------------------------------------------

// Every byte that the engine may have, as a set; what is acknowledged must be the run from the
// start of it, and what is told by SACK must be in it.
TEST(ReassemblyOracle, random_segments_bytes_come_out_exactly) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 generator(seed);
    const auto random = [&generator] { return static_cast<std::uint32_t>(generator() >> 32); };
    StackConfig config = only({.sack = true});
    config.recv_buffer = 2048 + random() % 30'000;
    config.buffer_blocks = 16 + random() % 40;
    Harness h(config);
    agree(h, {.sack = true});
    const std::uint32_t total = 20'000 + random() % 20'000;
    std::vector<bool> sent(total + 1);
    sent[0] = true;
    std::string got;
    std::uint32_t acked = 1;
    std::uint32_t edge = 1 + config.recv_buffer;
    bool fin_acked = false;
    int steps = 0;
    for (; !fin_acked && steps < 20'000; ++steps) {
      // Mostly near the left edge, so that it moves; sizes of all kinds.
      const std::uint32_t span = random() % 4 == 0 ? 1 : 1 + random() % config.recv_buffer;
      std::uint32_t from = acked + random() % span;
      if (random() % 8 == 0) from = acked - std::min<std::uint32_t>(acked - 1, random() % 100);
      const std::uint32_t size = random() % 3 == 0 ? 1 + random() % 30 : 1 + random() % 1460;
      const std::uint32_t to = std::min(from + size, total);
      if (from < to || from == total) {
        const bool fin = to == total;
        h.send({.flags = fin ? "FA" : "A", .seq = from, .payload = bytes(from, to)});
        for (std::uint32_t n = from; n < to; ++n) sent[n] = true;
      }
      if (random() % 3 == 0) got += h.read(random() % 4000);
      for (const Seen& seen : h.sent) {
        const std::uint32_t ack = seen.segment.ack - h.irs;
        ASSERT_GE(ack, acked);
        for (std::uint32_t n = acked; n < std::min(ack, total); ++n) ASSERT_TRUE(sent[n]) << n;
        acked = ack;
        edge = std::max(edge, ack + seen.segment.wnd);
        const Edges sack = seen.sack_relative(h.irs);
        for (std::size_t i = 0; i + 1 < sack.size(); i += 2) {
          ASSERT_LT(sack[i], sack[i + 1]);
          ASSERT_LE(sack[i + 1], edge);
          for (std::uint32_t n = sack[i]; n < sack[i + 1]; ++n) ASSERT_TRUE(sent[n]) << n;
        }
      }
      fin_acked = acked == total + 1;
      h.sent.clear();
    }
    EXPECT_TRUE(fin_acked) << "after " << steps << " segments " << acked << " of " << total;
    while (got.size() + 1 < total) {
      const std::string more = h.read();
      ASSERT_FALSE(more.empty());
      got += more;
    }
    EXPECT_TRUE(got == bytes(1, total));
    EXPECT_EQ(h.state(), State::close_wait);
    h.events.clear();
    h.sent.clear();
    expect_all_back(h);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace salut::test
