// What a handshake agrees on: both sides or neither, in every order of opening (RFC 7323 §2.2,
// §3.2, RFC 2018 §2, RFC 3168 §6.1.1).
#include "agreed.hpp"

namespace salut::test {
namespace {

constexpr Options all{true, true, true, true};

// Does an established connection do what was agreed, and nothing else?
void expect_in_use(Harness& h, const Options& agreed) {
  const auto stamp = agreed.stamps ? std::optional(Stamps{.val = peer_clock + 1}) : std::nullopt;
  const std::uint32_t nxt = h.peer_nxt;
  h.send({.seq = nxt + 10, .payload = "beyond", .ts = stamp, .tos = 3});
  const Seen seen = h.take();
  const wire::Segment& s = seen.segment;
  EXPECT_EQ(s.ack - h.irs, nxt);
  EXPECT_EQ((s.options & wire::option_has_timestamps) != 0, agreed.stamps);
  EXPECT_EQ(seen.sack_relative(h.irs), agreed.sack ? (Edges{nxt + 10, nxt + 16}) : Edges{});
  EXPECT_EQ((s.flags & wire::ece) != 0, agreed.ecn);
  EXPECT_EQ(s.options & (wire::option_has_window_scale | wire::option_has_sack_permitted), 0);
  // A window of 1000 means what it says, or 1000 << 7.
  h.send({.seq = nxt + 16, .wnd = 1000, .ts = stamp});
  h.expect_nothing();
  EXPECT_EQ(h.engine().info(h.conn)->snd_wnd, agreed.scaling ? 1000u << peer_scale : 1000u);
  EXPECT_EQ(h.engine().info(h.conn)->mss, agreed.stamps ? 1448 : 1460);
}

template <class Body>
void for_all_pairs(Body&& body) {
  for (unsigned ours = 0; ours < 16; ++ours) {
    for (unsigned theirs = 0; theirs < 16; ++theirs) {
      const Options a = Options::from_bits(ours);
      const Options b = Options::from_bits(theirs);
      SCOPED_TRACE("ours: " + describe(a) + "; the peer's: " + describe(b));
      Harness h(only(a));
      body(h, a, b);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(Options, syn_received_every_combination_intersection) {
  for_all_pairs([](Harness& h, const Options& ours, const Options& theirs) {
    h.listen();
    h.send(syn_with(theirs));
    const Seen answer = h.take();
    EXPECT_EQ(options_of(answer), ours & theirs);
    EXPECT_EQ(answer.segment.mss, 1460);
    EXPECT_EQ(answer.segment.tsecr, ours.stamps && theirs.stamps ? peer_clock : 0);
    h.send({.ts = theirs.stamps ? std::optional(Stamps{.val = peer_clock}) : std::nullopt});
    h.expect_event(Event::accepted);
    h.expect_nothing();
    expect_in_use(h, ours & theirs);
  });
}

TEST(Options, syn_sent_every_combination_intersection) {
  for_all_pairs([](Harness& h, const Options& ours, const Options& theirs) {
    h.resolve_peer();
    h.syn_sent();
    // The answer may have what was not offered: it does not count.
    h.send(syn_with(theirs, true));
    const Seen third = h.take();
    EXPECT_EQ(third.segment.flags, wire::ack);
    EXPECT_EQ((third.segment.options & wire::option_has_timestamps) != 0,
              ours.stamps && theirs.stamps);
    h.expect_event(Event::connected);
    expect_in_use(h, ours & theirs);
  });
}

TEST(Options, syn_sent_offers_what_the_configuration_allows) {
  for (unsigned bits = 0; bits < 16; ++bits) {
    const Options ours = Options::from_bits(bits);
    Harness h(only(ours));
    h.resolve_peer();
    ASSERT_TRUE(
        h.engine().connect({peer_address(), peer_port}, {our_address(), 50000}, 7, h.now()));
    h.settle();
    const Seen syn = h.take();
    EXPECT_EQ(options_of(syn), ours);
    EXPECT_EQ(syn.segment.mss, 1460);
    EXPECT_EQ(syn.segment.tsecr, 0u);
  }
}

TEST(Options, simultaneous_open_every_combination_intersection) {
  for (const bool answered : {false, true}) {
    for_all_pairs([answered](Harness& h, const Options& ours, const Options& theirs) {
      const Options both = ours & theirs;
      h.resolve_peer();
      h.syn_sent();
      h.send(syn_with(theirs));
      EXPECT_EQ(options_of(h.take()), both);
      EXPECT_EQ(h.state(), State::syn_received);
      // Our SYN is acknowledged by the peer's SYN,ACK, or by a plain ACK.
      In last;
      if (answered) {
        last = syn_with(both, true);
        last.seq = 0;
      } else if (both.stamps) {
        last.ts = Stamps{.val = peer_clock};
      }
      h.send(last);
      h.expect_event(Event::connected);
      h.expect_nothing();
      EXPECT_EQ(h.engine().info(h.conn)->snd_wnd,
                both.scaling && !answered ? 0xffffu << peer_scale : 0xffffu);
      expect_in_use(h, both);
    });
  }
}

TEST(Options, syn_sent_lost_offers_them_again_with_a_later_timestamp) {
  Harness h(only(all));
  h.resolve_peer();
  ASSERT_TRUE(h.engine().connect({peer_address(), peer_port}, {our_address(), 50000}, 7, h.now()));
  h.settle();
  const Seen first = h.take();
  h.silence(2s);
  const Seen again = h.take();
  EXPECT_EQ(options_of(again), all);
  EXPECT_EQ(again.segment.wscale, first.segment.wscale);
  EXPECT_EQ(again.segment.mss, first.segment.mss);
  const std::uint32_t later = again.segment.tsval - first.segment.tsval;
  EXPECT_GE(later, 1000u);
  EXPECT_LE(later, 1003u);
}

TEST(Options, syn_received_answer_lost_agreement_repeated) {
  Harness h(only(all));
  h.listen();
  h.send(syn_with(all));
  EXPECT_EQ(options_of(h.take()), all);
  h.silence(2s);
  const Seen again = h.take();
  EXPECT_EQ(options_of(again), all);
  EXPECT_EQ(again.segment.tsecr, peer_clock);
}

// Some hosts repeat a SYN without options, in the belief that these were the trouble.
TEST(Options, syn_received_syn_again_without_options_first_one_counts) {
  Harness h(only(all));
  h.listen();
  h.send(syn_with(all));
  EXPECT_EQ(options_of(h.take()), all);
  h.send({.flags = "S", .seq = 0});
  EXPECT_EQ(options_of(h.take()), all);
  h.send({.ts = Stamps{.val = peer_clock}});
  h.expect_event(Event::accepted);
  expect_in_use(h, all);
}

TEST(Options, syn_received_syn_again_with_options_that_the_first_had_not_first_one_counts) {
  Harness h(only(all));
  h.listen();
  h.send({.flags = "S", .mss = 1460});
  EXPECT_EQ(options_of(h.take()), Options{});
  In again = syn_with(all);
  again.seq = 0;
  h.send(again);
  EXPECT_EQ(options_of(h.take()), Options{});
  h.send({});
  h.expect_event(Event::accepted);
  expect_in_use(h, {});
}

TEST(Options, syn_received_syn_again_its_timestamp_is_echoed) {
  Harness h(only(all));
  h.listen();
  h.send(syn_with(all));
  h.expect({.flags = "SAE", .seq = 0, .ack = 1, .ts = Stamps{.ecr = peer_clock}});
  In again = syn_with(all);
  again.seq = 0;
  again.ts = Stamps{.val = peer_clock + 1000};
  h.send(again);
  h.expect({.flags = "SAE", .seq = 0, .ack = 1, .ts = Stamps{.ecr = peer_clock + 1000}});
}

TEST(Options, syn_sent_mss_of_the_answer_less_timestamps) {
  for (const unsigned mss : {0u, 1u, 64u, 536u, 1460u, 9000u, 65'535u}) {
    for (const bool stamps : {false, true}) {
      Harness h(only({.stamps = stamps}));
      h.resolve_peer();
      h.syn_sent();
      In answer = syn_with({.stamps = stamps}, true);
      answer.mss = mss;
      h.send(answer);
      h.expect({.flags = "A", .seq = 1, .ack = 1});
      h.expect_event(Event::connected);
      const unsigned taken = mss == 0 ? unsaid_mss() : std::clamp(mss, 64u, 1460u);
      EXPECT_EQ(h.engine().info(h.conn)->mss, taken - (stamps ? 12 : 0)) << mss;
    }
  }
}

TEST(Options, established_options_of_a_syn_are_not_seen) {
  Harness h(only(all));
  agree(h, all);
  const auto before = *h.engine().info(h.conn);
  // MSS 100, window scale 0, SACK-permitted, and timestamps.
  h.send(
      {.wnd = 500, .raw_options = {2, 4, 0, 100, 3, 3, 0, 1, 4, 2, 8, 10, 0, 0, 4, 0, 0, 0, 0, 0}});
  h.expect_nothing();
  EXPECT_EQ(h.engine().info(h.conn)->mss, before.mss);
  EXPECT_EQ(h.engine().info(h.conn)->snd_wnd, 500u << peer_scale);
}

// The walk stops, what came before counts, and nothing is read beyond the header.
TEST(Options, syn_received_malformed_lengths_end_the_walk) {
  const wire::test::Bytes bad[] = {
      {2, 4, 0x05, 0xb4, 3, 0, 7, 0},      // length 0
      {2, 4, 0x05, 0xb4, 3, 1, 7, 0},      // length 1
      {2, 4, 0x05, 0xb4, 3, 5, 7, 0},      // past the end
      {2, 4, 0x05, 0xb4, 1, 1, 1, 3},      // no room for a length
      {2, 4, 0x05, 0xb4, 0, 3, 3, 7},      // after the end of options
      {2, 4, 0x05, 0xb4, 3, 4, 7, 7},      // a window scale of two bytes
      {2, 4, 0x05, 0xb4, 254, 255, 3, 3},  // unknown, past the end
      {2, 4, 0x05, 0xb4, 8, 4, 0, 0},      // timestamps of two bytes
      {2, 4, 0x05, 0xb4, 4, 3, 0, 0},      // SACK-permitted with a value
  };
  for (const wire::test::Bytes& options : bad) {
    Harness h(only(all));
    h.listen();
    h.send({.flags = "S", .raw_options = options});
    const Seen answer = h.take();
    EXPECT_EQ(options_of(answer), Options{});
    h.send({});
    h.expect_event(Event::accepted);
    EXPECT_EQ(h.engine().info(h.conn)->mss, 1460);
    expect_in_use(h, {});
  }
}

TEST(Options, syn_received_unknown_options_are_skipped) {
  Harness h(only(all));
  h.listen();
  h.send({.flags = "S", .raw_options = {254, 6, 1, 2, 3, 4,  2, 4, 0x05, 0xb4, 3, 3, 7, 30, 3, 0,
                                        4,   2, 1, 1, 8, 10, 0, 0, 0x03, 0xe8, 0, 0, 0, 0,  1, 0}});
  EXPECT_EQ(options_of(h.take()), (Options{true, true, true, false}));
}

TEST(Options, established_malformed_options_do_no_harm) {
  const wire::test::Bytes bad[] = {
      {8, 0, 0, 0}, {8, 1, 0, 0},  {8, 10, 0, 0}, {5, 0, 1, 1},
      {5, 2, 1, 1}, {5, 40, 0, 0}, {1, 1, 1, 5},  {5, 6, 0, 0, 0, 1, 0, 0},
  };
  for (const wire::test::Bytes& options : bad) {
    Harness h(only(all));
    agree(h, all);
    h.send({.payload = "text", .raw_options = options});
    h.expect({.flags = "A", .seq = 1, .ack = 5, .ts = Stamps{.ecr = peer_clock}});
    h.expect_event(Event::readable);
    EXPECT_EQ(h.read(), "text");
  }
}

// SACK blocks for what was never sent, upside down, empty, or half the space wide.
TEST(Options, established_nonsense_sack_blocks_do_no_harm) {
  const Edges nonsense[] = {
      {5000, 9000},     {9, 3},       {1, 1},          {0, 0xffffffff},          {0x80000000, 2},
      {2, 0x80000002},  {5, 6, 5, 6}, {0xfffffff0, 3}, {3, 5, 4, 6, 1, 9, 2, 3}, {1, 11},
      {12, 13, 11, 14},
  };
  for (const Edges& edges : nonsense) {
    Harness h(only({.sack = true}));
    agree(h, {.sack = true});
    h.write("ten bytes.");
    h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 10});
    for (int i = 0; i < 4; ++i) h.send({.ack = 1, .sack = edges});
    h.send({.ack = 11, .sack = edges});
    EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
    h.sent.clear();
    h.write("more");
    EXPECT_FALSE(h.sent.empty());
    EXPECT_EQ(h.our_nxt, 15u);
    h.sent.clear();
    h.send({.ack = 15});
    EXPECT_EQ(h.engine().info(h.conn)->send_queued, 0u);
    EXPECT_EQ(h.state(), State::established);
  }
}

TEST(Options, syn_sent_syn_ack_with_text_and_fin) {
  for (const bool fin : {false, true}) {
    Harness h(only(all));
    h.resolve_peer();
    h.syn_sent();
    In answer = syn_with(all, true);
    answer.payload = "early";
    if (fin) answer.flags = "SAEF";
    h.send(answer);
    const std::uint32_t end = fin ? 7 : 6;
    h.expect({.flags = "A", .seq = 1, .ack = end, .ts = Stamps{.ecr = peer_clock}});
    h.expect_event(Event::connected);
    h.expect_event(fin ? Event::readable | Event::peer_closed : unsigned{Event::readable});
    EXPECT_EQ(h.read(), "early");
    EXPECT_EQ(h.state(), fin ? State::close_wait : State::established);
  }
}

}  // namespace
}  // namespace salut::test
