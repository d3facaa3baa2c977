// Bytes that are not copied: received ones that stay in their frames until they were read, and the
// application's own that are sent from where they lie.
#include "harness.hpp"

namespace salut::test {
namespace {

constexpr unsigned near_least = tcp::lent_least;

const tcp::Buffers& buffers(Harness& h) { return h.engine().context().buffers; }

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string peek(Harness& h) {
  const auto bytes = h.engine().peek(h.conn);
  EXPECT_TRUE(bytes);
  return text_of(bytes.value_or(std::span<const std::byte>{}));
}

// Text of which no two parts are alike.
std::string some_text(std::size_t size, unsigned from = 0) {
  std::string text;
  while (text.size() < size) text += std::to_string(from++) + ' ';
  text.resize(size);
  return text;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// An established connection with a segment that was received and acknowledged.
void receive(Harness& h, const std::string& text) {
  h.send({.payload = text});
  h.expect({.flags = "A", .seq = 1, .ack = h.peer_nxt});
  h.expect_event(Event::readable);
}

TEST(Peek, established_full_segment_stays_in_its_frame) {
  Harness h;
  h.established();
  receive(h, some_text(1460));
  EXPECT_EQ(buffers(h).frames_kept(), 1u);
  EXPECT_EQ(h.pool().outstanding(), 1u);
  EXPECT_EQ(peek(h), some_text(1460));
  EXPECT_EQ(peek(h), some_text(1460)) << "nothing is taken by looking";
  EXPECT_EQ(h.engine().consume(h.conn, 1460), Errc::ok);
  EXPECT_EQ(buffers(h).frames_kept(), 0u);
  h.settle();
  EXPECT_EQ(h.pool().outstanding(), 0u);
  EXPECT_EQ(peek(h), "");
}

TEST(Peek, established_small_segment_is_copied) {
  Harness h;
  h.established();
  receive(h, some_text(near_least - 1));
  EXPECT_EQ(buffers(h).frames_kept(), 0u);
  receive(h, some_text(near_least));
  EXPECT_EQ(buffers(h).frames_kept(), 1u);
  EXPECT_EQ(h.read(), some_text(near_least - 1) + some_text(near_least));
}

TEST(Peek, established_more_frames_than_may_wait_are_copied) {
  StackConfig config = small_config();
  config.lent_frames = 2;
  Harness h(config);
  h.established();
  std::string all;
  for (unsigned i = 0; i < 4; ++i) {
    receive(h, some_text(1460, i * 1000));
    all += some_text(1460, i * 1000);
  }
  EXPECT_EQ(buffers(h).frames_kept(), 2u);
  EXPECT_EQ(h.read(), all);
  EXPECT_EQ(buffers(h).frames_kept(), 0u);
}

TEST(Peek, none_may_wait_all_is_copied) {
  StackConfig config = small_config();
  config.lent_frames = 0;
  Harness h(config);
  h.established();
  receive(h, some_text(1460));
  EXPECT_EQ(buffers(h).frames_kept(), 0u);
  EXPECT_EQ(peek(h), some_text(1460));
  EXPECT_EQ(h.read(), some_text(1460));
}

TEST(Peek, runs_come_in_order_however_they_were_kept) {
  Harness h;
  h.established();
  const std::vector<std::string> sent = {some_text(100), some_text(1460, 1000), some_text(10, 2000),
                                         some_text(20, 3000), some_text(1200, 4000)};
  std::string all, got;
  for (const std::string& text : sent) {
    receive(h, text);
    all += text;
  }
  unsigned runs = 0;
  for (std::string run = peek(h); !run.empty(); run = peek(h), ++runs) {
    // The half of it first: what is left is the next run.
    EXPECT_EQ(h.engine().consume(h.conn, run.size() / 2), Errc::ok);
    EXPECT_EQ(peek(h), run.substr(run.size() / 2));
    EXPECT_EQ(h.engine().consume(h.conn, run.size() - run.size() / 2), Errc::ok);
    got += run;
  }
  EXPECT_EQ(got, all);
  EXPECT_EQ(runs, 4u) << "small segments join";
  EXPECT_EQ(buffers(h).available_blocks(), h.config().buffer_blocks);
}

TEST(Peek, read_and_peek_take_from_the_same_place) {
  Harness h;
  h.established();
  receive(h, some_text(1460));
  receive(h, some_text(1460, 1000));
  EXPECT_EQ(h.read(500), some_text(1460).substr(0, 500));
  EXPECT_EQ(peek(h), some_text(1460).substr(500));
  EXPECT_EQ(h.engine().consume(h.conn, 1000), Errc::ok) << "over the end of a frame";
  EXPECT_EQ(h.read(), some_text(1460, 1000).substr(40));
}

TEST(Peek, more_consumed_than_there_is_refused) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().consume(h.conn, 0), Errc::ok);
  EXPECT_EQ(h.engine().consume(h.conn, 1), Errc::invalid_argument);
  receive(h, "hello");
  EXPECT_EQ(h.engine().consume(h.conn, 6), Errc::invalid_argument);
  EXPECT_EQ(h.read(), "hello");
}

TEST(Peek, close_wait_end_of_stream_after_the_last_byte) {
  Harness h;
  h.established();
  h.send({.flags = "FA", .payload = some_text(1460)});
  h.expect({.flags = "A", .seq = 1, .ack = 1462});
  h.expect_event(Event::readable | Event::peer_closed);
  EXPECT_EQ(peek(h), some_text(1460));
  EXPECT_EQ(h.engine().consume(h.conn, 1460), Errc::ok);
  EXPECT_EQ(h.engine().peek(h.conn).error(), Errc::end_of_stream);
  EXPECT_EQ(h.engine().consume(h.conn, 1), Errc::end_of_stream);
}

TEST(Peek, handle_that_ended_not_connected) {
  Harness h;
  h.established();
  receive(h, some_text(1460));
  h.send({.flags = "R"});
  h.expect_closed(Reason::reset);
  EXPECT_EQ(h.engine().peek(h.conn).error(), Errc::not_connected);
  EXPECT_EQ(h.engine().consume(h.conn, 1), Errc::not_connected);
  EXPECT_EQ(buffers(h).frames_kept(), 0u) << "the frame went back with the connection";
  EXPECT_EQ(h.pool().outstanding(), 0u);
}

TEST(Peek, close_with_a_frame_unread_resets_and_gives_it_back) {
  Harness h;
  h.established();
  receive(h, some_text(1460));
  h.close();
  h.expect({.flags = "RA", .seq = 1, .ack = 1461});
  h.expect_closed(Reason::aborted);
  EXPECT_EQ(h.pool().outstanding(), 0u);
}

TEST(Peek, engine_that_goes_gives_frames_back) {
  Harness h;  // looks at its pool when it goes
  h.established();
  receive(h, some_text(1460));
  EXPECT_EQ(h.pool().outstanding(), 1u);
}

TEST(Peek, consumed_window_opens_again) {
  Harness h;
  h.established();
  std::string all;
  while (h.peer_nxt < 64'000) {
    h.send({.payload = some_text(1460, h.peer_nxt)});
    h.sent.clear();
  }
  h.events.clear();
  ASSERT_LT(h.engine().info(h.conn)->rcv_wnd, 2u * 1460);
  EXPECT_EQ(h.engine().consume(h.conn, h.engine().info(h.conn)->recv_queued), Errc::ok);
  h.settle();
  h.expect({.flags = "A", .seq = 1, .ack = h.peer_nxt, .wnd = 65'535});
}

TEST(Peek, overlap_only_what_is_new_stays) {
  Harness h;
  h.established();
  receive(h, some_text(100));
  const std::string more = some_text(1460);
  h.send({.seq = 51, .payload = more});  // its first 50 bytes had come
  h.expect({.flags = "A", .seq = 1, .ack = 51 + 1460});
  h.expect_event(Event::readable);
  EXPECT_EQ(buffers(h).frames_kept(), 1u);
  EXPECT_EQ(h.read(), some_text(100) + more.substr(50));
}

TEST(Peek, gap_filled_by_a_frame_order_is_kept) {
  Harness h;
  h.established();
  h.send({.seq = 1461, .payload = some_text(1460, 1000)});
  h.sent.clear();
  EXPECT_EQ(buffers(h).frames_kept(), 0u) << "out of order: copied";
  h.send({.seq = 1, .payload = some_text(1460)});
  h.expect({.flags = "A", .seq = 1, .ack = 2921});
  h.events.clear();
  EXPECT_EQ(buffers(h).frames_kept(), 1u);
  EXPECT_EQ(h.read(), some_text(1460) + some_text(1460, 1000));
}

// --- lend() --------------------------------------------------------------------------------------

TEST(Lend, established_bytes_leave_from_where_they_lie_and_are_returned_once_acknowledged) {
  Harness h;
  h.established();
  const std::string text = some_text(3000);
  EXPECT_EQ(h.engine().lend(h.conn, bytes_of(text)), 3000u);
  EXPECT_EQ(h.engine().info(h.conn)->send_lent, 3000u);
  h.settle();
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1460, .payload = text.substr(0, 1460)});
  h.expect({.flags = "A", .seq = 1461, .ack = 1, .len = 1460, .payload = text.substr(1460, 1460)});
  h.expect({.flags = "A", .seq = 2921, .ack = 1, .len = 80, .payload = text.substr(2920)});
  h.send({.ack = 3000});
  h.expect_no_event();
  EXPECT_EQ(h.engine().info(h.conn)->send_lent, 3000u) << "a run comes back whole";
  h.send({.ack = 3001});
  h.expect_event(Event::returned);
  EXPECT_EQ(h.engine().info(h.conn)->send_lent, 0u);
  EXPECT_EQ(buffers(h).available_blocks(), h.config().buffer_blocks);
}

TEST(Lend, established_nothing_is_copied_before_it_leaves) {
  Harness h;
  h.established();
  std::string text = "before";
  EXPECT_EQ(h.engine().lend(h.conn, bytes_of(text)), 6u);
  text = "within";  // not allowed to anybody; here it tells where the bytes come from
  h.settle();
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 6, .payload = "within"});
  text = "again!";
  h.expect_after(1s, {.flags = "A", .seq = 1, .ack = 1, .len = 6, .payload = "again!"});
  h.send({.ack = 7});
  h.expect_event(Event::returned);
}

TEST(Lend, between_writes_order_is_kept) {
  Harness h;
  h.established();
  h.send({.wnd = 0});
  const std::string first = some_text(40'000);  // two blocks refer to it
  const std::string second = some_text(5'000, 50'000);
  std::string all = "begin" + first + "middle" + second + "end";
  EXPECT_EQ(h.write("begin"), 5u);
  EXPECT_EQ(h.engine().lend(h.conn, bytes_of(first)), first.size());
  EXPECT_EQ(h.write("middle"), 6u);
  EXPECT_EQ(h.engine().lend(h.conn, bytes_of(second)), second.size());
  EXPECT_EQ(h.write("end"), 3u);
  h.sent.clear();
  EXPECT_EQ(h.engine().info(h.conn)->send_lent, 45'000u);
  std::string got;
  while (got.size() < all.size()) {
    h.send({.ack = 1 + static_cast<std::uint32_t>(got.size())});
    ASSERT_FALSE(h.sent.empty());
    for (; !h.sent.empty(); h.sent.pop_front()) got += h.sent.front().payload;
  }
  EXPECT_EQ(got, all);
  h.events.clear();
  h.send({.ack = 1 + static_cast<std::uint32_t>(all.size())});
  h.expect_event(Event::returned);
  EXPECT_EQ(h.engine().info(h.conn)->send_lent, 0u);
}

TEST(Lend, long_run_comes_back_in_pieces) {
  Harness h;
  h.established();
  h.send({.wnd = 0});
  const std::string text = some_text(40'000);
  EXPECT_EQ(h.engine().lend(h.conn, bytes_of(text)), text.size());
  h.settle();
  // Acknowledged as far as it was sent, however little that is.
  std::uint32_t acked = 0;
  while (acked < text.size()) {
    const std::uint32_t before = h.engine().info(h.conn)->send_lent;
    h.send({.ack = 1 + acked});
    for (; !h.sent.empty(); h.sent.pop_front()) {
      acked = h.sent.front().segment.seq - h.iss - 1 + h.sent.front().segment.payload_length;
    }
    const std::uint32_t out = h.engine().info(h.conn)->send_lent;
    EXPECT_TRUE(out == text.size() || out == text.size() - 32'768);
    EXPECT_EQ(h.events.size(), before == out ? 0u : 1u);
    h.events.clear();
  }
  h.send({.ack = 1 + acked});
  h.expect_event(Event::returned);
  EXPECT_EQ(h.engine().info(h.conn)->send_lent, 0u);
}

TEST(Lend, buffer_full_takes_a_part_and_says_when_more_may_come) {
  StackConfig config = small_config();
  config.send_buffer = 4096;
  Harness h(config);
  h.established();
  const std::string text = some_text(5000);
  EXPECT_EQ(h.engine().lend(h.conn, bytes_of(text)), 4096u);
  EXPECT_EQ(h.engine().lend(h.conn, bytes_of(text)), 0u);
  h.settle();
  h.sent.clear();
  h.send({.ack = 4097});
  h.expect_event(Event::returned | Event::writable);
}

TEST(Lend, no_block_left_takes_none) {
  StackConfig config = small_config();
  config.buffer_blocks = 16;
  config.send_buffer = 1 << 20;
  Harness h(config);
  h.established();
  h.send({.wnd = 0});
  const std::string text = some_text(100);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(h.engine().lend(h.conn, bytes_of(text)), 100u);
  EXPECT_EQ(h.engine().lend(h.conn, bytes_of(text)), 0u)
      << "half of what is not kept for receiving";
  h.abort();
  h.expect({.flags = "RA", .seq = 1, .ack = 1});
  h.expect_closed(Reason::aborted);
  EXPECT_EQ(buffers(h).available_blocks(), 16u);
}

TEST(Lend, nothing_takes_nothing) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().lend(h.conn, {}), 0u);
  h.settle();
  EXPECT_EQ(buffers(h).available_blocks(), h.config().buffer_blocks);
}

TEST(Lend, after_shutdown_not_writable) {
  Harness h;
  h.fin_wait_1();
  EXPECT_EQ(h.engine().lend(h.conn, bytes_of("x")).error(), Errc::not_writable);
}

TEST(Lend, shutdown_fin_follows_the_bytes) {
  Harness h;
  h.established();
  const std::string text = some_text(1000);
  EXPECT_EQ(h.engine().lend(h.conn, bytes_of(text)), 1000u);
  h.shutdown();
  h.expect({.flags = "FA", .seq = 1, .ack = 1, .len = 1000, .payload = text});
  h.send({.ack = 1002});
  h.expect_event(Event::returned);
  EXPECT_EQ(h.state(), State::fin_wait_2);
}

// --- checksums that the device completes --------------------------------------------------------
// The harness looks at every checksum that leaves.

TEST(LeftChecksum, payload_of_some_size_is_summed_by_the_device) {
  Harness h(small_config(), 1, 1024, true);
  h.established();
  EXPECT_EQ(h.device().completed, 0u) << "a header alone is summed while it is made";
  EXPECT_EQ(h.write(some_text(255)), 255u);
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 255, .payload = some_text(255)});
  h.send({.ack = 256});
  EXPECT_EQ(h.device().completed, 0u);
  std::uint32_t at = 256;
  unsigned completed = 0;
  for (const std::uint32_t size : {256u, 257u, 1460u}) {
    EXPECT_EQ(h.write(some_text(size)), size);
    h.expect({.flags = "A", .seq = at, .ack = 1, .len = size, .payload = some_text(size)});
    EXPECT_EQ(h.device().completed, ++completed);
    at += size;
    h.send({.ack = at});
  }
}

TEST(LeftChecksum, device_that_cannot_is_not_asked) {
  Harness h;
  h.established();
  EXPECT_EQ(h.write(some_text(1460)), 1460u);
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1460});
  EXPECT_EQ(h.device().completed, 0u);
}

TEST(LeftChecksum, frame_that_was_thrown_away_no_longer_asks) {
  Harness h(small_config(), 1, 1024, true);
  ip::Interfaces& links = h.engine().context().interfaces;
  Frame thrown;
  ASSERT_TRUE(links.acquire(thrown));
  thrown.flags = l4_checksum_left;
  links.drop(thrown, Drop::tx_full);
  Frame next;
  ASSERT_TRUE(links.acquire(next));
  EXPECT_EQ(next.data, thrown.data);
  EXPECT_EQ(next.flags, 0);
  links.recycle(next);
}

}  // namespace
}  // namespace salut::test
