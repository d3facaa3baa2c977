// Peers that lie: windows that shrink, ACKs split or repeated for gain, data past the FIN, text on
// a SYN, timestamps that jump, and SYNs by the million. The connection does what is right, healthy
// ones go on, memory stays bounded, and the counters say what was dropped.
#include <random>

#include "agreed.hpp"

namespace salut::test {
namespace {

TEST(Lies, any_data_past_the_fin_acked_and_not_taken) {
  for (const State state : {State::close_wait, State::closing, State::last_ack}) {
    SCOPED_TRACE(name(state));
    Harness h;
    h.in(state);
    const std::uint32_t una = state == State::close_wait ? h.our_nxt : h.our_nxt - 1;
    h.send({.seq = 2, .ack = una, .payload = "beyond the end"});
    h.expect({.flags = "A", .seq = h.our_nxt, .ack = 2});
    h.send({.seq = 100, .ack = una, .payload = "further"});
    h.expect({.flags = "A", .seq = h.our_nxt, .ack = 2});
    h.send({.flags = "FA", .seq = 2, .ack = una, .payload = "another end"});
    h.expect({.flags = "A", .seq = h.our_nxt, .ack = 2});
    h.expect_no_event();
    EXPECT_EQ(h.state(), state);
    EXPECT_EQ(h.drops(Drop::tcp_after_fin), 3u);
    EXPECT_EQ(h.engine().context().buffers.available_blocks(), h.config().buffer_blocks);
  }
}

TEST(Lies, time_wait_data_past_the_fin_not_taken) {
  Harness h;
  h.time_wait();
  h.send({.seq = 2, .payload = "beyond the end"});
  h.expect_nothing();
  h.expect_no_event();
  EXPECT_EQ(h.state(), State::time_wait);
  EXPECT_EQ(h.drops(Drop::tcp_after_fin), 1u);
}

// RFC 9293 §3.4 lets it be kept; we do not: it comes again, and a flood costs nothing.
TEST(Lies, syn_with_text_is_opened_and_its_text_counted) {
  Harness passive;
  passive.listen();
  passive.send({.flags = "S", .seq = 0, .payload = "early"});
  passive.expect({.flags = "SA", .seq = 0, .ack = 1});
  EXPECT_EQ(passive.drops(Drop::tcp_syn_text), 1u);
  Harness active;
  active.syn_sent();
  active.send({.flags = "S", .seq = 0, .payload = "early"});
  active.expect({.flags = "SA", .seq = 0, .ack = 1});
  EXPECT_EQ(active.drops(Drop::tcp_syn_text), 1u);
  active.send({.seq = 1, .payload = "early"});
  active.expect({.flags = "A", .seq = 1, .ack = 6});
  active.expect_event(Event::connected | Event::readable);
  EXPECT_EQ(active.read(), "early");
}

TEST(Lies, established_syn_with_text_and_fin_challenged_and_not_taken) {
  Harness h;
  h.established();
  h.send({.flags = "SFA", .seq = 1, .payload = "forged"});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.expect_no_event();
  EXPECT_EQ(h.drops(Drop::tcp_unexpected_syn), 1u);
}

// Whatever the window does, nothing new goes beyond its right edge but a probe of one byte, and in
// the end all arrives.
TEST(Lies, established_windows_that_shrink_at_random) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Harness h;
    h.established();
    constexpr std::uint32_t size = 200'000;
    h.write(std::string(size, 's'));
    std::uint32_t edge = 65'536;  // the furthest that was ever offered
    std::uint32_t acked = 1;
    for (int i = 0; i < 4'000 && acked < 1 + size; ++i) {
      std::uint32_t got = acked;
      for (const Seen& seen : h.sent) {
        const std::uint32_t at = seen.segment.seq - h.iss;
        const std::uint32_t end = at + seen.segment.payload_length;
        EXPECT_TRUE(end <= edge || seen.segment.payload_length == 1) << at;
        if (at <= got && end > got && random() % 8 != 0) got = end;
      }
      h.sent.clear();
      acked = got;
      const auto wnd = static_cast<std::uint16_t>(random() % 3 == 0 ? 0 : random() % 6'000);
      edge = std::max(edge, acked + wnd);
      h.send({.ack = acked, .wnd = wnd});
      if (random() % 4 == 0) h.advance(std::chrono::milliseconds(random() % 3'000));
    }
    EXPECT_EQ(acked, 1 + size);
    EXPECT_EQ(h.state(), State::established);
    h.sent.clear();
    h.events.clear();
  }
}

// RFC 3465 §4: an ACK for each byte earns no more than one ACK for all of them.
TEST(Lies, established_acks_split_into_bytes_gain_nothing) {
  Harness h;
  h.established();
  const std::uint32_t before = h.config().initial_window * 1460;
  h.write(std::string(before, 'd'));
  h.sent.clear();
  h.advance(10ms);
  for (std::uint32_t i = 1; i <= 2 * 1460; ++i) h.send({.ack = 1 + i});
  EXPECT_LE(h.engine().info(h.conn)->cwnd, before + 2 * 1460);
  EXPECT_EQ(h.state(), State::established);
  h.sent.clear();
}

TEST(Lies, established_a_thousand_duplicate_acks_one_retransmission) {
  Harness h;
  h.established();
  h.write(std::string(10 * 1460, 'd'));
  EXPECT_EQ(h.sent.size(), 10u);
  h.sent.clear();
  for (int i = 0; i < 1'000; ++i) h.send({.ack = 1});
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1460});
  h.expect_nothing();
  EXPECT_EQ(h.counters().fast_retransmits, 1u);
  h.send({});
  EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
}

// The peer's clock leaps: what it then calls now is believed, what lies before is not.
TEST(Lies, established_timestamps_that_jump) {
  Harness h(only({.stamps = true}));
  agree(h, {.stamps = true});
  const std::uint32_t leap = peer_clock + 0x7fff'ffff;
  h.send({.payload = "a", .ts = Stamps{.val = leap}});
  h.expect({.flags = "A", .seq = 1, .ack = 2, .ts = Stamps{.ecr = leap}});
  h.expect_event(Event::readable);
  for (const std::uint32_t val : {leap - 1, peer_clock + 5, leap - 0x7fff'ffff}) {
    h.send({.seq = 2, .payload = "b", .ts = Stamps{.val = val}});
    h.expect({.flags = "A", .seq = 1, .ack = 2, .ts = Stamps{.ecr = leap}});
  }
  EXPECT_EQ(h.drops(Drop::tcp_paws), 3u);
  h.send({.seq = 2, .payload = "c", .ts = Stamps{.val = leap + 1}});
  h.expect({.flags = "A", .seq = 1, .ack = 3, .ts = Stamps{.ecr = leap + 1}});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.read(), "ac");
}

// An echo from the future, or of an hour ago, is no sample of the round trip.
TEST(Lies, established_echoes_that_jump_are_no_samples) {
  Harness h(only({.stamps = true}));
  agree(h, {.stamps = true});
  const std::uint32_t srtt = h.engine().info(h.conn)->srtt_us;
  for (const std::uint32_t off : {1u, 100'000u, 0x8000'0000u, 0xffff'0000u}) {
    h.write("x");
    const Seen first = h.take();
    h.silence(200s);
    h.sent.clear();
    h.send({.ts = Stamps{.val = peer_clock, .ecr = first.segment.tsval + 600'000 + off}});
    EXPECT_LE(h.engine().info(h.conn)->srtt_us, std::max(srtt, 100'000u));
    h.sent.clear();
    EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
  }
}

// One that never reads, and whose peer does not look at windows, takes its buffer and no more.
TEST(Lies, established_reader_that_never_reads_others_go_on) {
  StackConfig config = small_config();
  config.recv_buffer = 16'384;
  config.buffer_blocks = 64;
  Harness h(config);
  h.established();
  const Connection stuck = h.conn;
  std::uint32_t nxt = 1;
  for (int i = 0; i < 50; ++i) {
    h.send({.seq = nxt, .payload = std::string(1460, 'x')});
    nxt = h.sent.back().segment.ack - h.irs;
    h.sent.clear();
    h.events.clear();
  }
  EXPECT_EQ(h.engine().info(stuck)->recv_queued, 16'384u);
  EXPECT_EQ(h.drops(Drop::tcp_recv_full), 39u) << "all but the eleven that fit, one in part";
  h.send({.flags = "S", .seq = 0, .from_port = peer_port + 1});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  h.send({.seq = 1, .ack = 1, .from_port = peer_port + 1});
  h.expect_event(Event::accepted);
  h.send({.seq = 1, .ack = 1, .payload = "healthy", .from_port = peer_port + 1});
  h.expect({.flags = "A", .seq = 1, .ack = 8});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.read(), "healthy");
}

// From a million different sockets: none is kept beyond the backlog, the connection that was there
// goes on, and who means it gets in.
TEST(Lies, listen_a_million_half_open_healthy_ones_go_on) {
  StackConfig config = small_config();
  config.verify_checksums = false;  // of the test's own haste
  config.connections = 256;         // a quarter of which is more than the backlog
  Harness h(config);
  h.established();
  wire::test::Bytes syn = test_packet({.source_port = 1, .destination_port = our_port, .flags = 2});
  constexpr std::uint32_t all = 1'000'000;
  for (std::uint32_t i = 0; i < all; ++i) {
    wire::test::put16(syn, tcp_offset(), 1024 + i % 62'500);
    wire::test::put32(syn, tcp_offset() + 4, i * 2'654'435'761u);
    syn[over_ip6() ? 37 : 29] = static_cast<std::uint8_t>(3 + i / 62'500);  // who sends it
    h.queue_raw(syn);
    if (i % 64 != 63) continue;
    h.engine().poll(h.now());
    h.device().outbox.clear();
    if (i % 100'000 >= 64) continue;
    h.send({.payload = "x"});
    h.sent.clear();
    EXPECT_EQ(h.read(), "x");
    h.events.clear();
  }
  h.settle();
  h.sent.clear();
  EXPECT_EQ(h.engine().context().tcbs.in_use(), 1u + 16u);
  EXPECT_EQ(h.counters().cookies_sent, all - 16);
  EXPECT_EQ(h.counters().passive_opens, 1u + 16u);
  h.peer_nxt = 0;
  h.send({.flags = "S", .mss = 1460, .from_port = peer_port + 1});
  EXPECT_EQ(h.take().segment.flags, wire::syn | wire::ack);
  h.send({.seq = 1, .ack = 1, .payload = "in", .from_port = peer_port + 1});
  h.expect_event(Event::accepted | Event::readable);
  h.expect({.flags = "A", .seq = 1, .ack = 3});
}

}  // namespace
}  // namespace salut::test
