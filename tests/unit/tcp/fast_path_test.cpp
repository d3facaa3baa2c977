// The fast path against the slow path: what input_segment() decides by arithmetic and prediction
// must be what input_slow() decides step by step, and what send_single() does must be what
// send_data() does. Two engines with the same seed, clock and calls are fed the same segments; one
// of them always goes the long way.
#include <cstdlib>

#include "agreed.hpp"
#include "tcp/input.hpp"

namespace salut::test {
namespace {

// What a segment did, for comparison: events merged (the fast path reports one segment's in one),
// the frames in order. TSecr is not compared: what an ACK itself sends leaves before or after
// TS.Recent follows the segment.
struct Outcome {
  unsigned what = 0;
  Reason reason = Reason::none;
  std::vector<std::string> frames;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

bool is_stamped(const wire::Segment& s) { return (s.options & wire::option_has_timestamps) != 0; }

std::uint32_t find(tcp::Context& c, const wire::Segment& segment) {
  return c.flows.find(segment.hash, [&](std::uint32_t index) {
    return (index & tcp::time_wait_bit) == 0 && c.tcbs[index].key == segment.key;
  });
}

class Side {
 public:
  Side(bool slow, std::uint64_t seed, const StackConfig& config) : h(config, seed), slow_(slow) {
    h.engine().context().long_way = slow;
  }

  // Hands the segment to the function under test, then lets the turn end; `more`: not yet, another
  // of its burst follows.
  void deliver(const In& in, bool more = false) {
    tcp::Context& c = h.engine().context();
    h.queue(in);
    Frame frame;
    ASSERT_EQ(h.device().receive(&frame, 1), 1u);
    wire::Segment segment;
    ASSERT_EQ(wire::parse(frame, {true, our_mac, &c.fold}, segment).kind, wire::Kind::tcp);
    segment.hash = c.hash(segment.key);
    const std::uint32_t index = find(c, segment);
    const std::uint64_t slow_before = c.counters.slow_segments;
    c.event_count = 0;
    c.frame_kept = false;
    if (index != flow::Table::none && slow_) tcp::input_slow(c, index, segment, frame);
    if (index != flow::Table::none && !slow_) tcp::input_segment(c, index, segment, frame);
    const bool on = index != flow::Table::none && c.counters.slow_segments == slow_before;
    if (on) ++on_fast_path;
    for (unsigned i = 0; i < c.event_count; ++i) {
      if (c.events[i].has(Event::accepted | Event::connected)) h.conn = c.events[i].connection;
      h.events.push_back(c.events[i]);
    }
    if (!c.frame_kept) c.interfaces.recycle(frame);
    if (!more) h.settle();
  }

  Outcome outcome() {
    Outcome out;
    for (const Event& event : h.events) {
      out.what |= event.what;
      if (event.reason != Reason::none) out.reason = event.reason;
    }
    for (const Seen& seen : h.sent) {
      const wire::Segment& s = seen.segment;
      out.frames.push_back(std::to_string(s.flags) + " " + std::to_string(s.seq) + " " +
                           std::to_string(s.ack) + " " + std::to_string(s.wnd) + " " +
                           std::to_string(s.options) + " " + std::to_string(s.traffic_class) + " " +
                           std::to_string(is_stamped(s) ? s.tsval : 0) + describe_edges(seen.sack) +
                           " " + seen.payload);
    }
    h.events.clear();
    h.sent.clear();
    return out;
  }

  tcp::Tcb* tcb() {
    tcp::Context& c = h.engine().context();
    return c.tcbs.in_use() == 0 ? nullptr : &c.tcbs[0];
  }

  Harness h;
  std::uint64_t on_fast_path = 0;  // segments of the connection

 private:
  bool slow_;
};

// An ACK that is due at once does not wait as well.
unsigned flags_of(const tcp::Tcb& t) {
  return t.has(tcp::Flag::ack_pending) ? t.flags & ~unsigned{tcp::Flag::ack_delayed} : t.flags;
}

void expect_same_tcb(const tcp::Tcb& a, const tcp::Tcb& b) {
  EXPECT_EQ(a.state, b.state);
  EXPECT_EQ(flags_of(a), flags_of(b));
  EXPECT_EQ(a.retries, b.retries);
  EXPECT_EQ(a.snd_una, b.snd_una);
  EXPECT_EQ(a.snd_nxt, b.snd_nxt);
  EXPECT_EQ(a.rcv_nxt, b.rcv_nxt);
  EXPECT_EQ(a.rcv_adv, b.rcv_adv);
  EXPECT_EQ(a.snd_wnd, b.snd_wnd);
  EXPECT_EQ(a.timer_at, b.timer_at);
  EXPECT_EQ(a.generation, b.generation);
  EXPECT_EQ(a.ending, b.ending);
  EXPECT_EQ(a.mss, b.mss);
  const bool stamps = a.has(tcp::Flag::timestamps);
  const bool opened = !a.has(tcp::Flag::syn_unacked);
  EXPECT_EQ(stamps ? a.ts_recent : 0, stamps ? b.ts_recent : 0);
  EXPECT_EQ(opened ? a.handshake_rtt : 0, opened ? b.handshake_rtt : 0);
  if (!a.has(tcp::Flag::data_ready) || !b.has(tcp::Flag::data_ready)) return;
  EXPECT_EQ(a.send.bytes, b.send.bytes);
  EXPECT_EQ(a.recv.bytes, b.recv.bytes);
  EXPECT_EQ(a.snd_wl1, b.snd_wl1);
  EXPECT_EQ(a.snd_wl2, b.snd_wl2);
  // With keep-alive the Stream may come after the FIN, and takes it for acknowledged; nothing
  // follows that could be.
  if (!a.has(tcp::Flag::fin_received)) {
    EXPECT_EQ(a.last_ack_sent, b.last_ack_sent);
  }
}

void expect_same_stream(const tcp::Stream& a, const tcp::Stream& b) {
  EXPECT_EQ(a.cwnd, b.cwnd);
  EXPECT_EQ(a.ssthresh, b.ssthresh);
  EXPECT_EQ(a.srtt, b.srtt);
  EXPECT_EQ(a.rttvar, b.rttvar);
  EXPECT_EQ(a.mark, b.mark);
  EXPECT_EQ(a.timed_at, b.timed_at);
  EXPECT_EQ(a.sent_at, b.sent_at);
  EXPECT_EQ(a.max_snd_wnd, b.max_snd_wnd);
  EXPECT_EQ(a.probe_at, b.probe_at);
  EXPECT_EQ(a.small_end, b.small_end);
  constexpr unsigned lasting = ~unsigned{tcp::dsack_noted};  // that is of the segment in hand
  EXPECT_EQ(a.bits & lasting, b.bits & lasting);
  EXPECT_EQ(a.backoff, b.backoff);
  EXPECT_EQ(a.send_blocks, b.send_blocks);
  EXPECT_EQ(a.recv_blocks, b.recv_blocks);
  EXPECT_EQ(a.ack_at, b.ack_at);
  EXPECT_EQ(a.lent, b.lent);
  // Text that comes with the ACK of our SYN is looked at before or after that.
  const bool heard = a.heard_at != 0 && b.heard_at != 0;
  EXPECT_EQ(heard ? a.heard_at : 0, heard ? b.heard_at : 0);
  EXPECT_EQ(a.keep_at, b.keep_at);
  EXPECT_EQ(a.linger_at, b.linger_at);
  EXPECT_EQ(a.orphan_at, b.orphan_at);
  EXPECT_EQ(a.rcv_mss, b.rcv_mss);
  EXPECT_EQ(a.min_rtt, b.min_rtt);
  EXPECT_EQ(a.ece, b.ece);
  EXPECT_EQ(a.retransmits, b.retransmits);
  EXPECT_EQ(a.quick_acks, b.quick_acks);
}

// states_entered may differ: the fast path goes from FIN_WAIT_1 to TIME_WAIT in one step.
void expect_same_counters(const Counters& a, const Counters& b) {
  EXPECT_EQ(a.tx_frames, b.tx_frames);
  EXPECT_EQ(a.retransmits, b.retransmits);
  EXPECT_EQ(a.resets_sent, b.resets_sent);
  EXPECT_EQ(a.accepted, b.accepted);
  EXPECT_EQ(a.connected, b.connected);
  EXPECT_EQ(a.challenge_acks, b.challenge_acks);
  EXPECT_EQ(a.ended, b.ended);
  EXPECT_EQ(a.states, b.states);
  EXPECT_EQ(a.drops, b.drops);
}

class Twins {
 public:
  // Half of them without options, in any state; the others with what both agreed on, from the
  // handshake on.
  explicit Twins(std::uint64_t seed)
      : random(seed),
        agreed(Options::from_bits(static_cast<unsigned>(pick(16)))),
        handshake(pick(2) == 0),
        stamps(handshake && agreed.stamps),
        drawn(draw()),
        fast(false, seed, drawn),
        slow(true, seed, drawn) {
    const Open how = pick(2) == 0 ? Open::passive : Open::active;
    if (handshake) {
      open(how);
      return;
    }
    std::vector<State> states = {State::syn_received};
    states.insert(states.end(), std::begin(synchronized_states), std::end(synchronized_states));
    const State state = states[pick(states.size())];
    fast.h.in(state, how);
    slow.h.in(state, how);
  }

  // One call or segment to both; false once there is nothing left to compare.
  bool step() {
    if (fast.tcb() == nullptr || ::testing::Test::HasFailure()) return false;
    if (pick(4) == 0) {
      call();
    } else {
      const In in = segment();
      const bool more = pick(3) == 0;
      fast.deliver(in, more);
      slow.deliver(in, more);
    }
    compare();
    return true;
  }

 private:
  std::size_t pick(std::size_t n) { return random() % n; }

  // Of what the two ways may treat differently, something else each time.
  StackConfig draw() {
    StackConfig config = handshake ? only(agreed) : small_config();
    if (pick(2) == 0) config.delayed_ack = std::chrono::milliseconds{40};
    if (pick(3) == 0) config.rto_min = std::chrono::milliseconds{10};
    if (pick(3) == 0) config.no_delay = true;
    if (pick(4) == 0) config.keep_alive = std::chrono::seconds{2};
    if (pick(3) == 0) config.initial_window = 1 + static_cast<std::uint32_t>(pick(4));
    if (pick(4) == 0) config.recv_buffer = 4'096;
    if (pick(4) == 0) config.recv_buffer = 300'000;
    if (pick(4) == 0) config.send_buffer = 4'096;
    scarce = pick(5) == 0;
    if (scarce) config.buffer_blocks = 16;
    return config;
  }

  // The handshake of both, whose second half comes as any other segment, after some time.
  void open(Open how) {
    const Options all = agreed;
    const Duration wait = std::chrono::microseconds(pick(30'000));
    if (how == Open::active) {
      for (Side* side : {&fast, &slow}) {
        side->h.resolve_peer();
        side->h.syn_sent();
        side->h.advance(wait);
      }
      const In in = syn_with(all, true);
      fast.deliver(in);
      slow.deliver(in);
    } else {
      for (Side* side : {&fast, &slow}) {
        side->h.listen();
        side->h.send(syn_with(all));
        side->h.take();
        side->h.advance(wait);
      }
      In in;
      if (stamps) in.ts = Stamps{.val = peer_clock};
      fast.deliver(in);
      slow.deliver(in);
    }
    compare();
  }

  void call() {
    const std::size_t which = pick(16);
    const std::size_t size = pick(6000);
    static const std::string lent(6000, 'l');
    const std::size_t rare = pick(12);
    const Connection conn = fast.h.conn;
    scarce |= which == 14 && rare == 4;
    for (Side* side : {&fast, &slow}) {
      if (which < 3) side->h.write(std::string(size, 'w'));
      if (which >= 3 && which < 7) side->h.read(size);
      if (which == 7 && size < 2000) static_cast<void>(side->h.engine().shutdown(side->h.conn));
      if (which == 8 && size < 700) static_cast<void>(side->h.engine().close(side->h.conn));
      if (which > 8 && which < 12) side->h.advance(std::chrono::milliseconds(size / 10));
      if (which == 12) {
        static_cast<void>(side->h.engine().lend(conn, std::as_bytes(std::span(lent)).first(size)));
      }
      if (which == 13) side->h.advance(std::chrono::microseconds(size * 5));
      if (which == 14 && rare < 6) {
        ConnectionOptions options;
        if (rare == 0) options.linger = std::chrono::seconds{1};
        if (rare == 1) options.dscp = std::uint8_t{46};
        if (rare == 2) options.keep_alive = std::chrono::milliseconds{500};
        if (rare == 3) options.no_delay = size % 2 == 0;
        if (rare == 4) options.recv_buffer = 2'048 + static_cast<std::uint32_t>(size);
        if (rare == 5) options.user_timeout = std::chrono::milliseconds{700};
        static_cast<void>(side->h.engine().set_options(conn, options));
      }
      if (which == 15 && rare == 0) static_cast<void>(side->h.engine().abort(conn));
      if (which == 15 && rare == 1) {
        static_cast<void>(side->h.engine().close_gently(conn, std::chrono::milliseconds{size}));
      }
      side->h.settle();
    }
  }

  // In order or nearly so.
  In segment() {
    const tcp::Tcb& t = *fast.tcb();
    static constexpr std::uint32_t near[] = {0, 0, 0, 0, 0, 0, 1, 5, 0xffffffff, 0xfffffff0};
    In in;
    in.seq = t.rcv_nxt.value - fast.h.irs + near[pick(std::size(near))];
    const std::uint32_t flight = t.snd_nxt - t.snd_una;
    in.ack = t.snd_una.value - fast.h.iss;
    if (pick(4) != 0)
      *in.ack += pick(3) == 0 ? flight : static_cast<std::uint32_t>(pick(flight + 1));
    if (pick(30) == 0) *in.ack = t.snd_nxt.value - fast.h.iss + 1;
    static constexpr std::size_t sizes[] = {0, 0, 0, 1, 100, 536, 1460};
    in.payload = std::string(sizes[pick(std::size(sizes))], static_cast<char>('a' + pick(26)));
    static constexpr std::uint16_t windows[] = {0, 1, 700, 5000, 65'535, 65'535, 65'535};
    in.wnd = windows[pick(std::size(windows))];
    in.flags = pick(50) == 0 ? "FA" : pick(8) == 0 ? "PA" : "A";
    // Of text with a FIN that finds no room the slow path keeps the FIN, and the fast one nothing:
    // it all comes again.
    if (scarce && *in.flags == 'F') in.payload.clear();
    if (pick(100) == 0) in.flags = "UA";
    if (pick(200) == 0) in.flags = "R";
    if (pick(200) == 0) in.flags = "S";
    if (agreed.ecn && pick(30) == 0) in.flags = pick(2) == 0 ? "EA" : "CA";
    if (pick(30) == 0) in.tos = 3;
    if (agreed.sack && flight > 1 && pick(12) == 0) {
      const auto from = t.snd_una.value - fast.h.iss + 1;
      in.sack = {from, from + 1 + static_cast<std::uint32_t>(pick(flight - 1))};
      in.ack = t.snd_una.value - fast.h.iss;
    }
    static constexpr std::uint32_t clocks[] = {0, 0, 0, 0, 1, 20, 0xffff'ffff};
    if (stamps && pick(40) != 0) {
      in.ts = Stamps{.val = t.ts_recent + clocks[pick(std::size(clocks))], .ecr = peer_clock};
    }
    return in;
  }

  void compare() {
    const Outcome a = fast.outcome();
    const Outcome b = slow.outcome();
    EXPECT_EQ(a.what, b.what);
    EXPECT_EQ(a.reason, b.reason);
    EXPECT_EQ(a.frames, b.frames);
    ASSERT_EQ(fast.tcb() == nullptr, slow.tcb() == nullptr);
    expect_same_counters(fast.h.counters(), slow.h.counters());
    if (fast.tcb() == nullptr) return;
    expect_same_tcb(*fast.tcb(), *slow.tcb());
    if (!fast.tcb()->has(tcp::Flag::data_ready)) return;
    const auto stream = [](Side& side) { return side.h.engine().context().stream(*side.tcb()); };
    expect_same_stream(stream(fast), stream(slow));
  }

  std::mt19937_64 random;
  Options agreed;
  bool handshake;  // with these; else in any state, without
  bool stamps;
  bool scarce = false;  // text in the window may find no room
  StackConfig drawn;
  Side fast;
  Side slow;

 public:
  std::uint64_t on_fast_path() const { return fast.on_fast_path; }
  std::uint64_t off_fast_path() const { return fast.h.counters().slow_segments; }
};

// The ACK of our SYN brings a FIN, and keep-alive a Stream: SND.WL1 is SEG.SEQ, not what the FIN
// made of RCV.NXT.
TEST(FastPath, fin_before_the_stream_is_not_in_snd_wl1) {
  StackConfig config = small_config();
  config.keep_alive = 2s;
  Harness h(config);
  h.syn_received();
  h.send({.flags = "FA"});
  h.expect({.flags = "A", .seq = 1, .ack = 2});
  h.expect_event(Event::accepted | Event::peer_closed);
  EXPECT_EQ(h.engine().context().tcbs[0].snd_wl1, Seq{h.irs + 1});
}

// SALUT_SEED and SALUT_ROUNDS replay or extend.
TEST(FastPath, fast_path_and_slow_path_agree) {
  const char* from = std::getenv("SALUT_SEED");
  const char* rounds = std::getenv("SALUT_ROUNDS");
  const std::uint64_t first = from != nullptr ? std::strtoull(from, nullptr, 10) : 1;
  const std::uint64_t count = rounds != nullptr ? std::strtoull(rounds, nullptr, 10) : 1000;
  std::uint64_t on = 0;
  std::uint64_t off = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("SALUT_SEED=" + std::to_string(seed) + " SALUT_ROUNDS=1");
    Twins twins(seed);
    for (int i = 0; i < 100 && twins.step();) ++i;
    on += twins.on_fast_path();
    off += twins.off_fast_path();
    if (HasFailure()) return;
  }
  std::printf("seeds %llu to %llu: %llu segments on the fast path, %llu off it\n",
              static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + count - 1),
              static_cast<unsigned long long>(on), static_cast<unsigned long long>(off));
  EXPECT_TRUE(count < 1000 || on > 5000) << "too few to prove anything";
}

}  // namespace
}  // namespace salut::test
