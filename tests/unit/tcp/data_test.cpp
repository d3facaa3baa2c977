// Bytes in order, windows, and what lies outside of them (RFC 9293 §3.8, §3.10.7.4 steps 6 to 8).
#include "harness.hpp"
#include "scarcity.hpp"

namespace salut::test {
namespace {

TEST(Receive, established_data_in_order) {
  Harness h;
  h.established();
  h.send({.payload = "one "});
  h.expect({.flags = "A", .seq = 1, .ack = 5, .wnd = 65'535 - 4});
  h.expect_event(Event::readable);
  h.send({.payload = "two"});
  h.expect({.flags = "A", .seq = 1, .ack = 8});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.engine().info(h.conn)->recv_queued, 7u);
  EXPECT_EQ(h.read(), "one two");
  EXPECT_EQ(h.read(), "");
  EXPECT_EQ(h.read_error(), Errc::ok);
}

TEST(Receive, established_data_again_acked_not_delivered) {
  Harness h;
  h.established();
  h.send({.payload = "once"});
  h.expect({.flags = "A", .seq = 1, .ack = 5});
  h.expect_event(Event::readable);
  h.send({.seq = 1, .payload = "once"});
  h.expect({.flags = "A", .seq = 1, .ack = 5});
  h.expect_no_event();
  EXPECT_EQ(h.read(), "once");
}

TEST(Receive, established_overlap_trimmed) {
  Harness h;
  h.established();
  h.send({.payload = "abcd"});
  h.expect({.flags = "A", .seq = 1, .ack = 5});
  h.expect_event(Event::readable);
  h.send({.seq = 3, .payload = "cdef"});
  h.expect({.flags = "A", .seq = 1, .ack = 7});
  h.expect_event(Event::readable);
  h.send({.flags = "FA", .seq = 6, .payload = "fgh"});
  h.expect({.flags = "A", .seq = 1, .ack = 10});
  h.expect_event(Event::readable | Event::peer_closed);
  EXPECT_EQ(h.read(), "abcdefgh");
}

TEST(Receive, established_data_out_of_order_waits_for_what_precedes_it) {
  Harness h;
  h.established();
  h.send({.seq = 5, .payload = "second"});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.expect_no_event();
  EXPECT_EQ(h.counters().reordered, 1u);
  h.send({.payload = "1st "});
  h.expect({.flags = "A", .seq = 1, .ack = 11});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.read(), "1st second");
}

// A sender without SACK needs three (RFC 5681 §3.2), and a turn may bring all it has.
TEST(Receive, established_burst_behind_a_gap_is_acked_segment_by_segment) {
  Harness h;
  h.established();
  h.queue({.payload = "in order"});
  for (std::uint32_t i = 0; i < 4; ++i) h.queue({.seq = 109 + 10 * i, .payload = "ten bytes."});
  h.settle();
  for (int i = 0; i < 5; ++i) h.expect({.flags = "A", .seq = 1, .ack = 9});
  h.expect_nothing();
  h.expect_event(Event::readable);
  h.send({.seq = 9, .payload = std::string(100, 'x')});
  h.expect({.flags = "A", .seq = 1, .ack = 149});
  h.expect_event(Event::readable);
}

TEST(Receive, established_ack_on_data_out_of_order_counts) {
  Harness h;
  h.established();
  h.write("mine");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 4});
  h.send({.seq = 9, .ack = 5, .payload = "gap"});
  h.expect({.flags = "A", .seq = 5, .ack = 1});
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
}

TEST(Receive, established_urgent_is_ordinary_data) {
  Harness h;
  h.established();
  h.send({.flags = "UA", .payload = "urgent!", .urgent = 3});
  h.expect({.flags = "A", .seq = 1, .ack = 8});
  h.expect_event(Event::readable);
  h.send({.flags = "UA", .payload = "more", .urgent = 60'000});  // points beyond everything
  h.expect({.flags = "A", .seq = 1, .ack = 12});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.read(), "urgent!more");
}

TEST(Receive, close_wait_data_after_fin_ignored) {
  Harness h;
  h.close_wait();
  h.send({.seq = 2, .payload = "beyond the end"});
  h.expect({.flags = "A", .seq = 1, .ack = 2});
  h.send({.flags = "FA", .seq = 2});
  h.expect({.flags = "A", .seq = 1, .ack = 2});
  h.send({.flags = "FA", .seq = 1, .payload = "end moved"});
  h.expect({.flags = "A", .seq = 1, .ack = 2});
  h.expect_no_event();
  EXPECT_EQ(h.read_error(), Errc::end_of_stream);
  EXPECT_EQ(h.state(), State::close_wait);
}

StackConfig small_window() {
  StackConfig config = small_config();
  config.recv_buffer = 2048;
  return config;
}

// Both segments, unread: the window is shut.
void fill_window(Harness& h) {
  h.established();
  h.send({.payload = std::string(1460, 'a')});
  h.expect({.flags = "A", .seq = 1, .ack = 1461, .wnd = 588});
  h.expect_event(Event::readable);
  h.send({.payload = std::string(588, 'b')});
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .wnd = 0});
  h.expect_event(Event::readable);
}

TEST(Window, established_data_beyond_the_window_cut_off) {
  Harness h(small_window());
  h.established();
  h.send({.payload = std::string(1460, 'a')});
  h.expect({.flags = "A", .seq = 1, .ack = 1461, .wnd = 588});
  h.expect_event(Event::readable);
  h.send(
      {.flags = "FA", .seq = 1461, .payload = std::string(1000, 'b')});  // the FIN is beyond, too
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .wnd = 0});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.state(), State::established);
  EXPECT_EQ(h.engine().info(h.conn)->recv_queued, 2048u);
}

// The ACK of a peer whose probe, not taken, moved its SND.NXT.
TEST(Window, shut_window_ack_past_the_probe_is_looked_at) {
  Harness h(small_window());
  fill_window(h);
  h.write("ours");
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .len = 4, .wnd = 0, .payload = "ours"});
  h.send({.seq = 2050, .ack = 5});
  h.expect_nothing();
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
}

// The peer's window was shut when it sent its FIN, which we took: it acknowledges from before it.
TEST(Window, established_ack_from_just_before_rcv_nxt_counts_and_is_answered) {
  Harness h;
  h.close_wait();
  h.write("ours");
  h.expect({.flags = "A", .seq = 1, .ack = 2, .len = 4});
  h.send({.seq = 1, .ack = 5});
  h.expect({.flags = "A", .seq = 5, .ack = 2});
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
  h.send({.seq = 0, .ack = 5});
  h.expect({.flags = "A", .seq = 5, .ack = 2});
  EXPECT_EQ(h.drops(Drop::tcp_out_of_window), 2u);
}

TEST(Window, shut_window_ack_further_past_is_not) {
  Harness h(small_window());
  fill_window(h);
  h.write("ours");
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .len = 4, .wnd = 0, .payload = "ours"});
  h.send({.seq = 2051, .ack = 5});
  h.expect({.flags = "A", .seq = 5, .ack = 2049, .wnd = 0});
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 4u);
}

// A peer that filled the window goes on acknowledging while it repairs a hole: from its SND.NXT.
TEST(Window, established_ack_at_the_edge_of_a_window_behind_a_hole_is_looked_at) {
  for (const std::uint32_t edge : {2049u, 2050u}) {  // with and without a probe not taken
    Harness h(small_window());
    h.established();
    h.write("ours");
    h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 4, .payload = "ours"});
    h.send({.seq = 101, .payload = std::string(1460, 'b')});
    h.expect({.flags = "A", .seq = 5, .ack = 1});
    h.send({.seq = 1561, .payload = std::string(488, 'c')});
    h.expect({.flags = "A", .seq = 5, .ack = 1});
    h.send({.seq = edge, .ack = 5});
    h.expect_nothing();
    EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
    h.send({.seq = 1, .ack = 5, .payload = std::string(100, 'a')});
    h.expect({.flags = "A", .seq = 5, .ack = 2049, .wnd = 0});
    h.expect_event(Event::readable);
  }
}

TEST(Window, established_ack_further_past_the_edge_or_with_text_there_is_not) {
  Harness h(small_window());
  h.established();
  h.write("ours");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 4, .payload = "ours"});
  h.send({.seq = 2051, .ack = 5});
  h.expect({.flags = "A", .seq = 5, .ack = 1});
  h.send({.seq = 2049, .ack = 5, .payload = "x"});
  h.expect({.flags = "A", .seq = 5, .ack = 1});
  h.send({.flags = "FA", .seq = 2049, .ack = 5});
  h.expect({.flags = "A", .seq = 5, .ack = 1});
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 4u);
  EXPECT_EQ(h.state(), State::established);
}

TEST(Window, shut_window_probe_acked_and_not_taken) {
  Harness h(small_window());
  fill_window(h);
  h.send({.seq = 2049, .payload = "p"});
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .wnd = 0});
  h.send({.flags = "FA", .seq = 2049});
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .wnd = 0});
  h.expect_no_event();
  EXPECT_EQ(h.state(), State::established);
}

TEST(Window, shut_window_still_takes_acks_and_rst) {
  Harness h(small_window());
  fill_window(h);
  h.write("out");
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .len = 3});
  h.send({});
  h.expect_nothing();
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
  h.write("again");
  h.expect({.flags = "A", .seq = 4, .ack = 2049, .len = 5});
  h.send({.seq = 2049, .payload = "p"});  // its ACK counts although its text does not
  h.expect({.flags = "A", .seq = 9, .ack = 2049, .wnd = 0});
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
  h.send({.flags = "R", .seq = 2048});
  h.send({.flags = "R", .seq = 2050});
  EXPECT_EQ(h.state(), State::established);
  h.send({.flags = "R", .seq = 2049});
  h.expect_closed(Reason::reset);
}

TEST(Window, shut_window_opens_with_an_update) {
  Harness h(small_window());
  fill_window(h);
  EXPECT_EQ(h.read(100).size(), 100u);
  h.expect_nothing();  // not worth a segment (RFC 9293 §3.8.6.2.2)
  EXPECT_EQ(h.read(1900).size(), 1900u);
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .wnd = 2000});
  EXPECT_EQ(h.read().size(), 48u);
  h.send({.payload = "on we go"});
  h.expect({.flags = "A", .seq = 1, .ack = 2057});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.read(), "on we go");
}

// RFC 9293 §3.8.6.2.2: the right edge moves by a worthwhile step or not at all.
TEST(Window, shut_window_is_not_opened_by_a_few_bytes) {
  Harness h(small_window());
  fill_window(h);
  EXPECT_EQ(h.read(100).size(), 100u);
  h.send({.seq = 2049, .payload = "p"});
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .wnd = 0});
  h.write("mine");
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .len = 4, .wnd = 0});
}

TEST(Window, window_never_moves_back) {
  Harness h(small_window());
  h.established();
  std::uint32_t edge = 1 + 2048;
  std::mt19937_64 random(7);
  for (int i = 0; i < 300; ++i) {
    const std::uint32_t room = edge - h.peer_nxt;
    if (room > 0) {
      h.send({.payload = std::string(std::min<std::size_t>(room, 1 + random() % 700), 'x')});
    }
    if (random() % 2 == 0) h.read(random() % 1500);
    for (const Seen& seen : h.sent) {
      const std::uint32_t to = seen.segment.ack - h.irs + seen.segment.wnd;
      EXPECT_GE(static_cast<std::int32_t>(to - edge), 0);
      edge = to;
    }
    h.sent.clear();
    h.events.clear();
  }
  EXPECT_GT(h.peer_nxt, 20'000u);
}

TEST(Send, write_cut_into_segments) {
  Harness h;
  h.established();
  std::string text;
  for (int i = 0; i < 4000; ++i) text += static_cast<char>(i);
  EXPECT_EQ(h.write(text), text.size());
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1460, .payload = text.substr(0, 1460)});
  h.expect({.flags = "A", .seq = 1461, .ack = 1, .len = 1460, .payload = text.substr(1460, 1460)});
  const Seen last = h.take();
  EXPECT_EQ(last.payload, text.substr(2920));
  EXPECT_TRUE(last.segment.flags & wire::psh) << "all that there is";
}

TEST(Send, initial_window_is_ten_segments) {
  Harness h;
  h.established();
  h.write(std::string(100'000, 'w'));
  EXPECT_EQ(h.sent.size(), 10u);
  EXPECT_EQ(h.our_nxt, 1u + 14'600);
  h.sent.clear();
  h.send({.ack = 1 + 2920});  // slow start: two more than were acknowledged
  EXPECT_EQ(h.sent.size(), 4u);
  h.sent.clear();
}

TEST(Send, peers_window_is_the_limit) {
  Harness h;
  h.established();
  h.send({.wnd = 1000});
  h.write(std::string(3000, 'w'));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1000});
  h.expect_nothing();
  h.send({.ack = 1001, .wnd = 0});
  h.expect_nothing();
  h.send({.ack = 1001, .wnd = 1500});  // the window update alone
  h.expect({.flags = "A", .seq = 1001, .ack = 1, .len = 1460});
  h.expect_nothing();  // 40 bytes more are a silly window
  h.send({.ack = 2461, .wnd = 1500});
  h.expect({.flags = "A", .seq = 2461, .ack = 1, .len = 540});
}

// SND.WL1 (RFC 9293 §3.10.7.4 step 5): reordered segments must not take the window back.
TEST(Send, old_segment_does_not_take_the_window_back) {
  Harness h;
  h.established();
  h.send({.payload = "newer"});
  h.expect({.flags = "A", .seq = 1, .ack = 6});
  h.expect_event(Event::readable);
  h.send({.wnd = 5000});
  h.send({.seq = 1, .ack = 1, .wnd = 7, .payload = "new"});
  h.expect({.flags = "A", .seq = 1, .ack = 6});
  EXPECT_EQ(h.engine().info(h.conn)->snd_wnd, 5000u);
  h.send({.seq = 3, .ack = 1, .wnd = 7, .payload = "wer and more"});  // its tail is new
  h.expect({.flags = "A", .seq = 1, .ack = 15});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.engine().info(h.conn)->snd_wnd, 5000u);
}

TEST(Send, window_shrunk_by_the_peer) {
  Harness h;
  h.established();
  h.write(std::string(5 * 1460, 's'));
  EXPECT_EQ(h.sent.size(), 5u);
  h.sent.clear();
  h.send({.ack = 1461, .wnd = 100});  // took back what we have used
  h.expect_nothing();
  h.silence(2s);
  h.expect({.flags = "A", .seq = 1461, .ack = 1, .len = 100});
  h.send({.ack = 1561, .wnd = 65'535});
  EXPECT_GE(h.sent.size(), 1u);
  EXPECT_EQ(h.sent.front().segment.seq - h.iss, 1561u);
  h.sent.clear();
  h.send({.ack = 1 + 5 * 1460});
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
}

TEST(Send, ack_rides_on_the_answer) {
  Harness h;
  h.established();
  h.queue({.payload = "ping"});
  h.turn();
  h.expect_event(Event::readable);
  h.expect_nothing();
  std::string text(4, ' ');
  ASSERT_TRUE(h.engine().read(h.conn, std::as_writable_bytes(std::span(text))));
  h.write("pong");
  h.expect({.flags = "A", .seq = 1, .ack = 5, .len = 4, .payload = "pong"});
}

TEST(Send, burst_of_data_one_ack) {
  Harness h;
  h.established();
  for (int i = 0; i < 10; ++i) h.queue({.payload = "0123456789"});
  h.settle();
  h.expect({.flags = "A", .seq = 1, .ack = 101});
  EXPECT_EQ(h.read().size(), 100u);
  h.events.clear();
}

// The pool is empty and nothing is in flight: no ACK will bring `writable`.
TEST(Send, established_write_without_a_block_is_told_when_there_is_one) {
  StackConfig config = small_config();
  config.buffer_blocks = 16;
  Harness h(config);
  h.established();
  Scarcity scarcity(h, 1);
  h.advance(1s);
  h.sent.clear(), h.events.clear();
  EXPECT_EQ(h.write("later"), 0u);
  h.advance(2s);
  h.expect_no_event();
  scarcity.end();
  h.sent.clear();
  h.advance(2s);
  h.expect_event(Event::writable);
  EXPECT_EQ(h.write("later"), 5u);
  h.expect({.flags = "A", .seq = 1, .len = 5, .payload = "later"});
  h.abort();
  h.sent.clear(), h.events.clear();
}

// RFC 9293 §3.1 (MUST-1): the upper half of the header's window is not below zero.
TEST(Send, window_of_32_kib_and_more_is_no_negative_one) {
  for (const std::uint16_t wnd :
       {std::uint16_t{0x7fff}, std::uint16_t{0x8000}, std::uint16_t{0xffff}}) {
    Harness h;
    h.established();
    h.send({.wnd = wnd});
    h.write(std::string(10 * 1460, 'w'));
    EXPECT_EQ(h.sent.size(), 10u);
    EXPECT_EQ(h.engine().info(h.conn)->snd_wnd, wnd);
    h.sent.clear();
  }
}

// RFC 9293 §3.7.1 (MUST-65): no option, MSS included, where none was agreed.
TEST(Send, segments_without_syn_have_no_mss) {
  Harness h(plain_config());
  h.established();
  const auto no_options = [&](const Seen& seen) { EXPECT_EQ(seen.segment.options_length, 0); };
  h.write("data");
  no_options(h.take());
  h.send({.ack = 5, .payload = "in"});
  no_options(h.take());
  h.expect_event(Event::readable);
  h.read();
  h.close();
  no_options(h.take());
}

// RFC 9293 §3.8.5 (MUST-31): however long, it is all data.
TEST(Receive, established_urgent_of_several_segments_is_ordinary_data) {
  Harness h;
  h.established();
  std::string all;
  for (int i = 0; i < 5; ++i) {
    const std::string part(1000, static_cast<char>('a' + i));
    h.send({.flags = "UA", .payload = part, .urgent = static_cast<unsigned>(5000 - 1000 * i)});
    all += part;
  }
  EXPECT_EQ(h.read(), all);
  h.sent.clear();
  h.events.clear();
}

// RFC 9293 §3.10.7.4 (MUST-66): RST and URG are looked at while the window is shut.
TEST(Window, shut_window_rst_with_data_and_urg_are_looked_at) {
  Harness h(small_window());
  fill_window(h);
  h.write("ours");
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .len = 4, .wnd = 0});
  h.send({.flags = "UA", .seq = 2049, .ack = 5, .urgent = 1});
  h.expect_nothing();
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u) << "its ACK counts";
  h.send({.flags = "RA", .seq = 2049, .payload = "why"});
  h.expect_nothing();
  h.expect_closed(Reason::reset);
}

}  // namespace
}  // namespace salut::test
