// One bad peer harms nobody: blocks that connections share. Each attack holds what it can, then
// honest connections, old and new, carry 100 KB each way.
#include "crowd.hpp"

namespace salut::test {
namespace {

StackConfig crowd_config() {
  StackConfig config = small_config();
  config.connections = 1024;
  config.syn_cookies = false;
  return config;
}

// With the attack: two seconds until the largest is reset (tcp/pressure.hpp), and up to two more
// for peers whose lost segments wait for their own timers. Without it: 20 ms.
constexpr Duration with_attack = 4s;

// Four that were there before the attack and four that come after it.
template <class Attack>
void survive(Attack&& attack, Duration limit) {
  Crowd crowd(crowd_config());
  for (int i = 0; i < 4; ++i) crowd.open(true).to_send = 0;
  const Duration before = crowd.run(10s);
  ASSERT_TRUE(crowd.honest_done()) << before.count();
  attack(crowd);
  for (int i = 0; i < 4; ++i) crowd.open(true);
  crowd.again();
  const Duration took = crowd.run(limit);
  EXPECT_EQ(crowd.honest_left(), 0u) << crowd.free_blocks() << " blocks are free";
  EXPECT_EQ(crowd.reset(true), 0u);
  EXPECT_LT(took, limit);
  std::printf("took %.3f s, %u hostile ended, %u blocks free\n",
              static_cast<double>(took.count()) / 1e9, crowd.reset(false), crowd.free_blocks());
}

// Segments of one byte, every other one.
void make_islands(Crowd& crowd, Crowd::Peer& peer, unsigned count) {
  for (unsigned i = 0; i < count; ++i) crowd.say(peer, peer.nxt + 1 + 2 * i, "i");
  crowd.work();
}

TEST(Shares, islands_of_silent_connections_stop_nobody) {
  survive(
      [](Crowd& crowd) {
        for (int i = 0; i < 40; ++i) make_islands(crowd, crowd.open(false), 64);
      },
      10s);
}

TEST(Shares, shut_windows_with_requests_under_way_stop_nobody) {
  survive(
      [](Crowd& crowd) {
        for (int i = 0; i < 100; ++i) {
          Crowd::Peer& peer = crowd.open(false);
          peer.wnd = 0;
          crowd.request(peer);
        }
      },
      with_attack);
}

TEST(Shares, requests_of_those_who_never_read_stop_nobody) {
  survive(
      [](Crowd& crowd) {
        for (int i = 0; i < 100; ++i) {
          Crowd::Peer& peer = crowd.open(false);
          peer.wnd = 0;
          for (int n = 0; n < 44 && peer.shown > peer.nxt - peer.una; ++n) {
            crowd.request(peer, 1460);
          }
        }
      },
      with_attack);
}

// More than there are minima for: those who take nothing are ended.
TEST(Shares, more_shut_windows_than_blocks_stop_nobody) {
  survive(
      [](Crowd& crowd) {
        for (int i = 0; i < 600; ++i) {
          Crowd::Peer& peer = crowd.open(false);
          peer.wnd = 0;
          crowd.request(peer);
          crowd.request(peer, 1460);
        }
      },
      with_attack);
}

TEST(Shares, all_of_it_at_once_stops_nobody) {
  survive(
      [](Crowd& crowd) {
        for (int i = 0; i < 200; ++i) {
          Crowd::Peer& peer = crowd.open(false);
          peer.wnd = 0;
          for (int n = 0; n < 10 && i % 2 == 0; ++n) crowd.request(peer, 1460);
          crowd.request(peer);
          make_islands(crowd, peer, 32);
        }
      },
      with_attack);
}

// A byte of each acknowledgement's room is no reason to ask the application for one more, and a
// byte that is lent does not take a block.
TEST(Shares, established_acknowledged_byte_by_byte_holds_a_handful_of_blocks) {
  for (const bool lends : {true, false}) {
    for (const std::uint16_t wnd : {std::uint16_t{1}, std::uint16_t{0xffff}}) {
      SCOPED_TRACE(std::string(lends ? "lend" : "write") + ", window " + std::to_string(wnd));
      StackConfig config = small_config();
      config.send_buffer = 65'536;
      Harness h(config);
      h.established();
      const std::string page(300'000, 'p');
      std::size_t at = 0;
      unsigned asked = 0;
      const auto give = [&] {
        const auto rest = std::as_bytes(std::span(page)).subspan(at);
        const auto n = lends ? h.engine().lend(h.conn, rest) : h.engine().write(h.conn, rest);
        at += n.value_or(0);
        h.settle();
      };
      h.send({.wnd = wnd});
      give();
      const std::uint32_t held =
          h.config().buffer_blocks - h.engine().context().buffers.available_blocks();
      for (std::uint32_t acked = 1; acked <= 600; ++acked) {
        if (h.our_nxt <= 1 + acked) h.advance(2s);
        h.send({.ack = 1 + acked, .wnd = wnd});
        for (; !h.events.empty(); h.events.pop_front()) {
          if (!h.events.front().has(Event::writable)) continue;
          ++asked;
          give();
        }
        h.sent.clear();
      }
      EXPECT_EQ(asked, 0u);
      EXPECT_LE(h.config().buffer_blocks - h.engine().context().buffers.available_blocks(), held);
      h.abort();
      h.sent.clear(), h.events.clear();
    }
  }
}

// RFC 9293 §3.8.6.2.1: the window of the handshake is one that the peer has offered.
TEST(Shares, established_window_of_one_byte_gets_no_segment_of_one) {
  Harness h;
  h.established();
  h.send({.wnd = 1, .payload = "GET"});
  h.expect({.flags = "A", .seq = 1, .ack = 4});
  h.expect_event(Event::readable);
  h.write(std::string(5'000, 'w'));
  h.expect_nothing();
  h.advance(900ms);
  h.expect_nothing();
  h.advance(2s);
  h.expect({.flags = "A", .seq = 1, .ack = 4, .len = 1});
  h.abort();
  h.sent.clear(), h.events.clear();
}

TEST(Shares, writable_waits_for_a_third_of_the_buffer) {
  StackConfig config = small_config();
  config.send_buffer = 30'000;
  Harness h(config);
  h.established();
  EXPECT_EQ(h.write(std::string(40'000, 'w')), 30'000u);
  h.sent.clear();
  h.send({.ack = 1 + 1460});
  h.send({.ack = 1 + 9'999});
  h.expect_no_event();
  h.send({.ack = 1 + 10'000});
  h.expect_event(Event::writable);
  h.abort();
  h.sent.clear(), h.events.clear();
}

// The oldest go first, and what is in order before all of them.
TEST(Shares, islands_give_way_to_what_is_in_order) {
  StackConfig config = crowd_config();
  config.buffer_blocks = 64;
  Crowd crowd(config);
  Crowd::Peer& first = crowd.open(false);
  make_islands(crowd, first, 1);
  for (int i = 0; i < 7; ++i) make_islands(crowd, crowd.open(false), 1);
  EXPECT_EQ(crowd.free_blocks(), 56u);
  // Somebody else has the rest.
  tcp::Context& c = crowd.harness().engine().context();
  tcp::Chain other;
  const std::string theirs(56 * tcp::block_bytes, 'o');
  c.buffers.append(other, std::as_bytes(std::span(theirs)), 1 << 20);
  ASSERT_EQ(crowd.free_blocks(), 0u);
  Crowd::Peer& peer = crowd.open(false);
  crowd.say(peer, 1, "in order");
  EXPECT_EQ(c.counters.islands_dropped, 1u);
  EXPECT_EQ(c.island_blocks, 7u);
  // What was dropped is not told of, and comes again.
  crowd.say(first, 1, "a");
  EXPECT_EQ(crowd.harness().sent.back().segment.ack, crowd.harness().irs + 2);
  c.buffers.clear(other);
}

}  // namespace
}  // namespace salut::test
