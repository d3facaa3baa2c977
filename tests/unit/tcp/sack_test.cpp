// What the receiver tells of gaps: SACK (RFC 2018) and repetitions, D-SACK (RFC 2883).
#include "agreed.hpp"
#include "tcp/reassembly.hpp"

namespace salut::test {
namespace {

constexpr Options sack{.sack = true};
constexpr Options both{.stamps = true, .sack = true};

In piece(std::uint32_t from, std::uint32_t to, const char* flags = "A") {
  return {.flags = flags, .seq = from, .payload = std::string(to - from, 'x')};
}
// Five of a hundred bytes each, from 101 on, with gaps as large between them; the last ACK is left.
void send_five_islands(Harness& h) {
  for (std::uint32_t at = 101; at <= 901; at += 200) h.send(piece(at, at + 100));
  h.sent.erase(h.sent.begin(), h.sent.end() - 1);
}
// The one segment that was sent tells of these blocks.
void expect_blocks(Harness& h, std::uint32_t ack, const Edges& edges,
                   std::source_location where = std::source_location::current()) {
  h.expect({.flags = "A", .seq = h.our_nxt, .ack = ack, .sack = edges}, where);
  h.expect_nothing(where);
}

TEST(Sack, established_newest_block_first) {
  Harness h(only(sack));
  agree(h, sack);
  h.send(piece(101, 201));
  expect_blocks(h, 1, {101, 201});
  h.send(piece(301, 401));
  expect_blocks(h, 1, {301, 401, 101, 201});
  h.send(piece(501, 601));
  expect_blocks(h, 1, {501, 601, 301, 401, 101, 201});
  h.send(piece(201, 251));  // grows the oldest: it is now the newest
  expect_blocks(h, 1, {101, 251, 501, 601, 301, 401});
}

// RFC 2018 §4: what was told of most recently is repeated, and a block that grows is one block.
TEST(Sack, established_block_that_grows_does_not_push_out_the_others) {
  Harness h(only(sack));
  agree(h, sack);
  for (const std::uint32_t at : {901u, 701u, 501u, 301u, 101u}) h.send(piece(at, at + 50));
  h.sent.clear();
  for (std::uint32_t at = 151; at < 191; at += 10) h.send(piece(at, at + 10));
  h.sent.erase(h.sent.begin(), h.sent.end() - 1);
  expect_blocks(h, 1, {101, 191, 301, 351, 501, 551, 701, 751});
}

TEST(Sack, established_four_blocks_without_timestamps) {
  Harness h(only(sack));
  agree(h, sack);
  send_five_islands(h);
  expect_blocks(h, 1, {901, 1001, 701, 801, 501, 601, 301, 401});
}

TEST(Sack, established_three_blocks_with_timestamps) {
  Harness h(only(both));
  agree(h, both);
  send_five_islands(h);
  EXPECT_EQ(h.sent.front().segment.options_length, 40);
  expect_blocks(h, 1, {901, 1001, 701, 801, 501, 601});
}

TEST(Sack, established_blocks_merge) {
  Harness h(only(sack));
  agree(h, sack);
  h.send(piece(101, 201));
  h.send(piece(301, 401));
  h.sent.clear();
  h.send(piece(201, 301));
  expect_blocks(h, 1, {101, 401});
}

TEST(Sack, established_block_taken_by_the_reader_is_not_told_of) {
  Harness h(only(sack));
  agree(h, sack);
  h.send(piece(101, 201));
  h.send(piece(301, 401));
  h.sent.clear();
  h.send(piece(1, 101));
  expect_blocks(h, 201, {301, 401});
  h.send(piece(201, 301));
  expect_blocks(h, 401, {});
  h.events.clear();
}

TEST(Sack, established_not_agreed_only_the_duplicate_ack) {
  Harness h(only(sack));
  agree(h, {});
  h.send(piece(101, 201));
  EXPECT_EQ(h.sent.front().segment.options_length, 0);
  expect_blocks(h, 1, {});
  h.send(piece(101, 201));
  expect_blocks(h, 1, {});
}

TEST(Sack, established_blocks_across_the_wrap_of_the_sequence) {
  Harness h(only(sack));
  agree(h, sack);
  ASSERT_EQ(h.irs, near_wrap);  // sequence 6 is 0
  h.send(piece(3, 5));
  expect_blocks(h, 1, {3, 5});
  h.send(piece(7, 9));
  expect_blocks(h, 1, {7, 9, 3, 5});
  h.send(piece(5, 7));
  expect_blocks(h, 1, {3, 9});
}

// A full segment with SACK beside it would be too long for the path; and a segment with data is no
// duplicate ACK, on which the peer's fast retransmit depends (RFC 5681 §2).
TEST(Sack, established_data_leaves_at_its_size_and_the_gap_is_told_of_apart) {
  for (const Options& options : {sack, both}) {
    Harness h(only(options));
    agree(h, options);
    const unsigned mss = options.stamps ? 1448 : 1460;
    const auto stamp = options.stamps ? std::optional(Stamps{.val = peer_clock}) : std::nullopt;
    h.send({.wnd = 0, .ts = stamp});
    h.write(std::string(3 * mss, 'd'));
    h.expect_nothing();
    h.send({.seq = 101, .payload = std::string(100, 'x'), .ts = stamp});
    h.expect({.flags = "A", .seq = 1, .ack = 1, .sack = Edges{101, 201}});
    h.expect({.flags = "A", .seq = 1, .ack = 1, .len = mss});
    h.expect({.flags = "A", .seq = 1 + mss, .ack = 1, .len = mss});
    h.expect({.flags = "A", .seq = 1 + 2 * mss, .ack = 1, .len = mss});
    h.expect_nothing();
  }
}

TEST(Sack, established_frames_stay_within_the_mtu) {
  Harness h(only(both));
  agree(h, both);
  h.write(std::string(8000, 'd'));
  for (std::uint32_t at = 101; at <= 901; at += 200) {
    h.send({.seq = at, .ack = 1, .payload = std::string(100, 'x')});
    h.write(std::string(3000, 'd'));
  }
  ASSERT_GT(h.sent.size(), 10u);
  for (const Seen& seen : h.sent) {
    EXPECT_LE(40u + seen.segment.options_length + seen.segment.payload_length, 1500u);
  }
  h.sent.clear();
}

// --- D-SACK -----------------------------------------------------------------------------------

TEST(Dsack, established_old_segment_told_of_once) {
  Harness h(only(sack));
  agree(h, sack);
  h.send(piece(1, 101));
  h.send(piece(101, 201));
  h.sent.clear();
  h.events.clear();
  h.send(piece(1, 101));
  expect_blocks(h, 201, {1, 101});
  h.send(piece(201, 211));
  expect_blocks(h, 211, {});
  h.events.clear();
}

TEST(Dsack, established_repetition_in_an_island_followed_by_that_island) {
  Harness h(only(sack));
  agree(h, sack);
  h.send(piece(101, 401));
  h.send(piece(501, 601));
  h.sent.clear();
  h.send(piece(201, 301));
  expect_blocks(h, 1, {201, 301, 101, 401, 501, 601});
  h.send(piece(601, 701));
  expect_blocks(h, 1, {501, 701, 101, 401});
}

TEST(Dsack, established_partial_repetition_of_old_data) {
  Harness h(only(sack));
  agree(h, sack);
  h.send(piece(1, 101));
  h.sent.clear();
  h.send(piece(51, 151));
  expect_blocks(h, 151, {51, 101});
  h.events.clear();
}

TEST(Dsack, established_partial_repetition_of_an_island) {
  Harness h(only(sack));
  agree(h, sack);
  h.send(piece(101, 201));
  h.sent.clear();
  h.send(piece(151, 251));
  expect_blocks(h, 1, {151, 201, 101, 251});
  h.send(piece(51, 111));
  expect_blocks(h, 1, {101, 111, 51, 251});
}

TEST(Dsack, established_data_in_order_over_an_island) {
  Harness h(only(sack));
  agree(h, sack);
  h.send(piece(51, 101));
  h.sent.clear();
  h.send(piece(1, 81));
  expect_blocks(h, 101, {51, 81});
  h.events.clear();
}

// The peer would take it for received, and never send it again.
TEST(Dsack, established_data_that_was_refused_is_not_told_of) {
  StackConfig config = only(sack);
  config.buffer_blocks = 16 * tcp::islands_max;  // half of an eighth is one connection's
  Harness h(config);
  agree(h, sack);
  for (std::uint32_t i = 1; i <= tcp::islands_max; ++i) h.send(piece(i * 10, i * 10 + 5));
  h.sent.clear();
  h.send(piece(5000, 5010));
  EXPECT_EQ(h.drops(Drop::tcp_not_kept), 1u);
  ASSERT_EQ(h.sent.size(), 1u);
  for (const std::uint32_t edge : h.take().sack_relative(h.irs)) EXPECT_LT(edge, 700u);
}

TEST(Dsack, established_data_past_a_kept_fin_is_not_told_of) {
  Harness h(only(sack));
  agree(h, sack);
  h.send({.flags = "FA", .seq = 11});
  expect_blocks(h, 1, {});
  h.send(piece(20, 30));
  expect_blocks(h, 1, {});
}

TEST(Dsack, close_wait_data_again) {
  Harness h(only(sack));
  agree(h, sack);
  h.send(piece(1, 11, "FA"));
  h.expect({.flags = "A", .seq = 1, .ack = 12});
  h.expect_event(Event::readable | Event::peer_closed);
  h.send(piece(1, 11, "FA"));
  expect_blocks(h, 12, {1, 11});
  h.send({.flags = "FA", .seq = 11});  // a FIN alone has no bytes
  expect_blocks(h, 12, {});
  EXPECT_EQ(h.read(), std::string(10, 'x'));
}

TEST(Dsack, established_not_agreed_nothing) {
  Harness h(only(both));
  agree(h, {.stamps = true});
  h.send({.payload = "text", .ts = Stamps{.val = peer_clock}});
  h.expect({.flags = "A", .seq = 1, .ack = 5});
  h.expect_event(Event::readable);
  h.send({.seq = 1, .payload = "text", .ts = Stamps{.val = peer_clock}});
  expect_blocks(h, 5, {});
}

TEST(Dsack, established_with_timestamps_three_blocks_in_all) {
  Harness h(only(both));
  agree(h, both);
  send_five_islands(h);
  h.sent.clear();
  h.send(piece(301, 401));
  expect_blocks(h, 1, {301, 401, 301, 401, 901, 1001});
}

}  // namespace
}  // namespace salut::test
