// Windows that are scaled, shut, opened again, and never taken back (RFC 7323 §2, RFC 9293 §3.8.6).
#include <random>

#include "agreed.hpp"
#include "scarcity.hpp"

namespace salut::test {
namespace {

constexpr Options scaling{.scaling = true};

StackConfig scaled(std::uint32_t buffer) {
  StackConfig config = only(scaling);
  config.recv_buffer = buffer;
  return config;
}

TEST(Scale, syn_sent_window_of_a_syn_is_not_scaled) {
  Harness h(scaled(1 << 20));
  h.resolve_peer();
  ASSERT_TRUE(h.engine().connect({peer_address(), peer_port}, {our_address(), 50000}, 7, h.now()));
  h.settle();
  const Seen syn = h.take();
  EXPECT_EQ(syn.segment.wnd, 65'535);
  EXPECT_EQ(syn.segment.wscale, 5) << "the smallest that carries 1 MiB";
}

TEST(Scale, syn_received_window_of_a_syn_is_not_scaled) {
  Harness h(scaled(1 << 20));
  h.listen();
  In syn = syn_with(scaling);
  syn.wnd = 300;
  h.send(syn);
  h.expect({.flags = "SA", .seq = 0, .ack = 1, .wnd = 65'535, .wscale = 5});
  h.send({.wnd = 200});
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.engine().info(h.conn)->snd_wnd, 200u << peer_scale);
}

TEST(Scale, syn_sent_first_ack_is_scaled) {
  StackConfig config = scaled(1 << 20);
  config.buffer_blocks = 4'096;
  Harness h(config);
  h.resolve_peer();
  h.syn_sent();
  In answer = syn_with(scaling, true);
  answer.wnd = 300;
  h.send(answer);
  h.expect({.flags = "A", .seq = 1, .ack = 1, .wnd = 1 << 15});
  h.expect_event(Event::connected);
  EXPECT_EQ(h.engine().info(h.conn)->snd_wnd, 300u) << "a SYN's";
  h.send({.wnd = 300});
  EXPECT_EQ(h.engine().info(h.conn)->snd_wnd, 300u << peer_scale);
}

TEST(Scale, shift_above_14_is_14) {
  for (const unsigned shift : {0u, 1u, 13u, 14u, 15u, 16u, 31u, 32u, 128u, 255u}) {
    for (const Open how : {Open::passive, Open::active}) {
      Harness h(scaled(65'535));
      In syn = syn_with(scaling, how == Open::active);
      syn.wscale = shift;
      if (how == Open::active) {
        h.resolve_peer();
        h.syn_sent();
      } else {
        h.listen();
      }
      h.send(syn);
      h.take();
      h.send({.wnd = 3});
      h.events.clear();
      EXPECT_EQ(h.engine().info(h.conn)->snd_wnd, 3u << std::min(shift, 14u)) << shift;
    }
  }
}

TEST(Scale, scaled_window_lets_more_than_64_kib_through) {
  StackConfig config = scaled(65'535);
  config.send_buffer = 1 << 20;
  config.buffer_blocks = 1024;
  Harness h(config);
  agree(h, scaling);
  h.send({.wnd = 0xffff});
  h.write(std::string(400'000, 'w'));
  while (h.our_nxt < 400'001) {
    ASSERT_FALSE(h.sent.empty());
    h.sent.clear();
    h.send({});
  }
  EXPECT_EQ(h.our_nxt, 400'001u);
  h.events.clear();
  h.sent.clear();
}

TEST(Scale, peers_shut_window_is_shut_whatever_the_scale) {
  Harness h(only(scaling));
  agree(h, scaling);
  h.send({.wnd = 0});
  h.write("waits");
  h.expect_nothing();
  h.send({.wnd = 1});
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 5});
}

TEST(Scale, without_it_a_large_buffer_shows_64_kib) {
  StackConfig config = only({});
  config.recv_buffer = 1 << 20;
  Harness h(config);
  agree(h, scaling);
  h.send({.payload = "x"});
  h.expect({.flags = "A", .seq = 1, .ack = 2, .wnd = 65'535});
  h.expect_event(Event::readable);
}

TEST(Scale, without_it_no_update_of_a_window_that_looks_the_same) {
  StackConfig config = only({});
  config.recv_buffer = 1 << 20;
  config.buffer_blocks = 4096;
  Harness h(config);
  agree(h, scaling);
  const auto fill = [&](std::uint32_t until) {
    while (h.peer_nxt < until) h.send({.payload = std::string(1460, 'x')});
    EXPECT_EQ(h.sent.back().segment.wnd, 65'535);
    h.sent.clear();
    h.events.clear();
  };
  fill(700'000);
  for (int i = 0; i < 50; ++i) h.read(5000);
  h.expect_nothing();
  // What a header can say runs short: now it is worth a segment.
  for (int i = 0; i < 1'000 && h.engine().info(h.conn)->rcv_wnd > 1460; ++i) {
    h.send({.payload = std::string(1460, 'x')});
  }
  h.sent.clear();
  h.events.clear();
  h.read(5000);
  EXPECT_GE(h.take().segment.wnd, 5000);
}

TEST(Scale, largest_buffer_takes_shift_14) {
  StackConfig config = scaled(1 << 30);
  Harness h(config);
  h.listen();
  h.send(syn_with(scaling));
  h.expect({.flags = "SA", .seq = 0, .ack = 1, .wnd = 65'535, .wscale = 14});
}

// RFC 7323 §2.4: with a scale the edge that a header can say is up to 2^shift - 1 bytes short of
// the edge that was offered before. What was offered stays open.
TEST(Scale, window_never_taken_back_but_for_the_grain) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(seed);
    Harness h(scaled(1 << 18));
    agree(h, scaling);
    const unsigned shift = 3;
    h.send({.payload = "a"});
    const Seen first = h.take();
    std::uint32_t edge = first.segment.ack - h.irs + (std::uint32_t{first.segment.wnd} << shift);
    std::mt19937_64 random(seed);
    for (int i = 0; i < 600; ++i) {
      const std::uint32_t room = edge - h.peer_nxt;
      if (room > 0) {
        h.send({.payload = std::string(std::min<std::size_t>(room, 1 + random() % 1460), 'x')});
      }
      if (random() % 2 == 0) h.read(random() % 1500);
      for (const Seen& seen : h.sent) {
        const std::uint32_t to =
            seen.segment.ack - h.irs + (std::uint32_t{seen.segment.wnd} << shift);
        EXPECT_GT(static_cast<std::int32_t>(to - edge), -(1 << shift));
        if (static_cast<std::int32_t>(to - edge) > 0) edge = to;
      }
      h.sent.clear();
      h.events.clear();
    }
    EXPECT_EQ(h.drops(Drop::tcp_out_of_window), 0u);
    EXPECT_EQ(h.drops(Drop::tcp_recv_full), 0u);
    EXPECT_GT(h.peer_nxt, 100'000u);
  }
}

TEST(Scale, reader_that_never_reads_shuts_it_and_memory_stays_bounded) {
  Harness h(scaled(1 << 18));
  agree(h, scaling);
  for (int i = 0; i < 400; ++i) {  // a peer that does not look at windows
    h.send({.seq = h.peer_nxt, .payload = std::string(1460, 'x')});
    const std::uint32_t ack = h.sent.back().segment.ack - h.irs;
    h.peer_nxt = ack;
    h.events.clear();
    if (i + 1 < 400) h.sent.clear();
  }
  EXPECT_EQ(h.take().segment.wnd, 0);
  EXPECT_EQ(h.engine().info(h.conn)->recv_queued, 1u << 18);
  const tcp::Buffers& buffers = h.engine().context().buffers;
  EXPECT_EQ(h.config().buffer_blocks - buffers.available_blocks(), ((1u << 18) + 1459) / 1460)
      << "a block for each frame that is kept, and the last, which did not fit, copied";
  EXPECT_EQ(buffers.frames_kept(), (1u << 18) / 1460);
  // Half of it is read: the peer hears of it.
  h.read(1 << 17);
  const Seen update = h.take();
  EXPECT_EQ(update.segment.ack - h.irs, h.peer_nxt);
  EXPECT_EQ(update.segment.wnd, (1 << 17) >> 3);
}

TEST(Scale, shut_window_probe_by_one_byte_answered_each_time) {
  Harness h(scaled(2048));
  agree(h, scaling);
  h.send({.payload = std::string(1460, 'a')});
  h.send({.payload = std::string(588, 'b')});
  h.sent.clear();
  h.events.clear();
  for (int i = 0; i < 5; ++i) {
    h.advance(5s);
    h.send({.seq = 2049, .payload = "p"});
    h.expect({.flags = "A", .seq = 1, .ack = 2049, .wnd = 0});
  }
  EXPECT_EQ(h.read().size(), 2048u);
  h.expect({.flags = "A", .seq = 1, .ack = 2049, .wnd = 2048});
  h.send({.seq = 2049, .payload = "p"});
  h.expect({.flags = "A", .seq = 1, .ack = 2050});
  h.expect_event(Event::readable);
}

// SND.WL1, SND.WL2: which of two segments is the newer one.
TEST(SndWl, same_sequence_older_ack_does_not_move_the_window) {
  Harness h;
  h.established();
  h.write("0123456789");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 10});
  h.send({.ack = 11, .wnd = 5000});
  h.send({.ack = 6, .wnd = 9});  // sent before, came later
  EXPECT_EQ(h.engine().info(h.conn)->snd_wnd, 5000u);
  h.send({.ack = 11, .wnd = 7000});
  EXPECT_EQ(h.engine().info(h.conn)->snd_wnd, 7000u);
  h.send({.ack = 11, .wnd = 100});  // taken back
  EXPECT_EQ(h.engine().info(h.conn)->snd_wnd, 100u);
}

TEST(SndWl, data_out_of_order_moves_it_and_what_it_overtook_does_not) {
  Harness h;
  h.established();
  h.send({.seq = 5, .wnd = 4000, .payload = "late"});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  EXPECT_EQ(h.engine().info(h.conn)->snd_wnd, 4000u);
  h.send({.seq = 1, .wnd = 77, .payload = "frst"});
  h.expect({.flags = "A", .seq = 1, .ack = 9});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.engine().info(h.conn)->snd_wnd, 4000u);
}

// --- the window of a SYN -------------------------------------------------------------------------

// A buffer of 1 MiB, and then the pool is used up by others: nothing more is offered than was.
StackConfig wide_config() {
  StackConfig config = small_config();
  config.recv_buffer = 1 << 20;
  return config;
}

TEST(Window, syn_sent_offered_what_an_unscaled_syn_says) {
  Harness h(wide_config());
  h.syn_sent();
  const Scarcity scarcity(h);
  h.send({.flags = "SA", .mss = 1460, .wscale = 3});
  h.expect({.flags = "A", .seq = 1, .ack = 1, .wnd = 65'535 >> 5});
  h.expect_event(Event::connected);
  EXPECT_EQ(h.engine().info(h.conn)->rcv_wnd, 65'535u);
}

TEST(Window, syn_received_offered_what_an_unscaled_syn_ack_says) {
  Harness h(wide_config());
  h.listen();
  h.send({.flags = "S", .mss = 1460, .wscale = 3});
  h.expect({.flags = "SA", .seq = 0, .ack = 1, .wnd = 65'535, .wscale = 5});
  const Scarcity scarcity(h);
  h.send({});
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.engine().info(h.conn)->rcv_wnd, 65'535u);
}

// RCV.ADV never moves left: what the SYN said holds, whatever the owner asks for since.
TEST(Window, syn_sent_smaller_buffer_takes_nothing_back) {
  Harness h;
  h.syn_sent();
  EXPECT_EQ(h.engine().set_options(h.conn, {.recv_buffer = 4'096}), Errc::ok);
  h.send({.flags = "SA", .mss = 1460});
  h.expect({.flags = "A", .seq = 1, .ack = 1, .wnd = 65'535});
  h.expect_event(Event::connected);
}

}  // namespace
}  // namespace salut::test
