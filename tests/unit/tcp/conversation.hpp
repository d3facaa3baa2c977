// One engine, a peer made of raw segments, and a clock that only the test moves: what the two say
// to each other. harness.hpp adds the ways into every state, and is what tests include.
//
// Numbers are relative, as people read them in RFC 9293: either side's SYN is 0, its first byte 1.
// The peer's ISS lies just below 2^32 and the clock is set so that ours does too, so that every
// test crosses the wrap both ways. send() takes a template, the peer's correct next segment, and
// the test varies one field. Whatever the engine sends must be expected, one by one and in order;
// what is left over at the end fails the test, as do events and leaked buffers.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

#include "io/sim/world.hpp"
#include "peer.hpp"
#include "stack/engine.hpp"
#include "wire/parse.hpp"

namespace salut::test {

using namespace std::chrono_literals;
using Where = std::source_location;
using wire::test::our_ip;
using wire::test::our_mac;
using wire::test::peer_ip;
using wire::test::peer_mac;

// Small pools, defaults elsewhere.
inline StackConfig small_config() {
  StackConfig config;
  config.connections = 64;
  config.time_wait = 64;
  config.buffer_blocks = 512;
  config.recv_buffer = 65'535;
  config.delayed_ack = Duration{0};
  // The handshake of the factories takes no time: what follows it would come again after 200 ms.
  config.rto_min = 1s;
  return config;
}

// Without options, as the peer of the factories is.
inline StackConfig plain_config() {
  StackConfig config = small_config();
  config.window_scale = config.timestamps = config.sack = false;
  return config;
}

class Conversation {
 public:
  explicit Conversation(const StackConfig& config = small_config(), std::uint64_t seed = 1,
                        unsigned frames = 1024, bool completes_checksums = false)
      : config_(config), pool_(frames), device_(pool_), now_(Instant{1s}) {
    ip::Interface interface;
    interface.device = &device_;
    interface.mac = our_mac;
    interface.mtu = test_mtu();
    interface.completes_checksums = completes_checksums;
    interface.addresses = {Prefix{our_address(), static_cast<std::uint8_t>(over_ip6() ? 64 : 24)}};
    engine_ = std::make_unique<stack::Engine>(config, std::vector{interface}, pool_, memory_, seed,
                                              std::uint8_t{3}, now_);
  }
  ~Conversation() {
    if (!::testing::Test::HasFailure()) {
      expect_nothing();
      expect_no_event();
    }
    engine_.reset();
    EXPECT_EQ(pool_.outstanding(), 0u) << "frames were lost";
  }
  Conversation(const Conversation&) = delete;

  // --- time -----------------------------------------------------------------------------------

  // One turn, as the application would make it.
  void turn() {
    for (const Event& event : engine_->poll(now_)) {
      if (event.has(Event::accepted | Event::connected)) conn = event.connection;
      events.push_back(event);
    }
    collect();
  }
  // Turns until nothing happens any more at this instant.
  void settle() {
    for (int i = 0; i < 1000; ++i) {
      turn();
      if (!engine_->last_poll_busy() && device_.inbox.empty()) return;
    }
    ADD_FAILURE() << "the engine is never quiet";
  }
  void advance(Duration by) {
    const Instant until = now_ + by;
    while (now_ < until) step(until);
  }
  // Lets time pass until something is sent, at most `limit`; how long that was.
  Duration silence(Duration limit) {
    const Instant start = now_;
    while (sent.empty() && now_ - start < limit) step(start + limit);
    return now_ - start;
  }
  // The next segment comes after `wait`: not a tick early, at most two late.
  void expect_after(Duration wait, const Out& out, Where where = Where::current()) {
    const Duration silent = silence(wait + 2 * tick);
    expect(out, where);
    if (silent < wait) fail(where, "too early: " + std::to_string(silent.count() / 1000) + " us");
  }
  Instant now() const { return now_; }
  void jump(Instant to) { now_ = to; }

  // --- the peer -------------------------------------------------------------------------------

  void send(const In& in) {
    queue(in);
    settle();
  }
  // Several segments in one burst.
  void queue(const In& in) {
    const unsigned flags = flag_bits(in.flags);
    wire::test::TcpSpec spec;
    spec.source_port = in.from_port;
    spec.destination_port = in.to_port != 0 ? in.to_port : local_port_;
    spec.seq = irs + in.seq.value_or(peer_nxt);
    spec.ack = (flags & wire::ack) != 0 ? iss + in.ack.value_or(our_nxt) : 0;
    spec.flags = flags;
    spec.window = in.wnd;
    spec.payload.assign(in.payload.begin(), in.payload.end());
    spec.options = in.raw_options.empty() ? option_bytes(in, iss) : in.raw_options;
    wire::test::Bytes bytes = test_packet(spec);
    if (in.urgent != 0) wire::test::put16(bytes, tcp_offset() + 18, in.urgent);
    if (in.tos != 0) set_traffic_class(bytes, in.tos);
    if (in.urgent != 0 || in.tos != 0) fix_test_checksums(bytes);
    if (!in.seq && (flags & wire::rst) == 0) {
      peer_nxt += static_cast<std::uint32_t>(in.payload.size()) +
                  ((flags & (wire::syn | wire::fin)) != 0 ? 1u : 0u);
    }
    device_.inbox.push_back(std::move(bytes));
  }
  void queue_raw(wire::test::Bytes bytes) { device_.inbox.push_back(std::move(bytes)); }

  // --- what came out --------------------------------------------------------------------------

  void expect(const Out& out, Where where = Where::current()) {
    if (sent.empty()) return fail(where, "nothing was sent, expected " + describe(out));
    const Seen seen = sent.front();
    sent.pop_front();
    const wire::Segment& s = seen.segment;
    const bool acks = (s.flags & wire::ack) != 0;
    bool same = (s.flags & ~unsigned{wire::psh}) == flag_bits(out.flags);
    same = same && s.seq - iss == out.seq && s.payload_length == out.len;
    same = same && (acks ? !out.ack || s.ack - irs == *out.ack : s.ack == 0);
    same = same && (!out.wnd || s.wnd == *out.wnd) && (!out.mss || s.mss == *out.mss);
    same = same && (!out.payload || *out.payload == seen.payload);
    same = same && (!out.ts || (s.options & wire::option_has_timestamps) != 0) &&
           (!out.ts || ((!out.ts->val || s.tsval == *out.ts->val) && s.tsecr == out.ts->ecr));
    same = same && (!out.sack || seen.sack_relative(irs) == *out.sack);
    same = same && (!out.wscale ||
                    ((s.options & wire::option_has_window_scale) != 0 && s.wscale == *out.wscale));
    if (!same) fail(where, "sent " + describe(seen, iss, irs) + ", expected " + describe(out));
  }
  void expect_nothing(Where where = Where::current()) {
    for (const Seen& seen : sent)
      fail(where, "sent " + describe(seen, iss, irs) + ", expected nothing");
    sent.clear();
  }
  // Takes the next segment, whatever it is.
  Seen take(Where where = Where::current()) {
    if (sent.empty()) {
      fail(where, "nothing was sent");
      return {};
    }
    const Seen seen = sent.front();
    sent.pop_front();
    return seen;
  }

  void expect_event(unsigned what, Reason reason = Reason::none, Where where = Where::current()) {
    if (events.empty()) return fail(where, "no event, expected " + std::to_string(what));
    const Event event = events.front();
    events.pop_front();
    if (event.what != what || event.reason != reason) {
      fail(where, "event " + std::to_string(event.what) + " " + std::string(name(event.reason)) +
                      ", expected " + std::to_string(what) + " " + std::string(name(reason)));
    }
  }
  void expect_closed(Reason reason, Where where = Where::current()) {
    expect_event(Event::closed, reason, where);
    expect_no_event(where);
    if (engine_->info(conn)) fail(where, "the handle outlives its `closed`");
  }
  void expect_no_event(Where where = Where::current()) {
    for (const Event& event : events) fail(where, "event " + std::to_string(event.what));
    events.clear();
  }

  // The state of the one connection there is, LISTEN aside; CLOSED if there is none.
  State state(Where where = Where::current()) const {
    State found = State::closed;
    std::uint64_t sum = 0;
    for (std::size_t s = static_cast<std::size_t>(State::syn_sent); s < state_count; ++s) {
      const std::uint64_t n = counters().states[s];
      if (n > 0) found = static_cast<State>(s);
      sum += n;
    }
    if (sum > 1) ADD_FAILURE_AT(where.file_name(), where.line()) << sum << " connections";
    return found;
  }
  std::uint64_t drops(Drop drop) const { return counters().drops[static_cast<std::size_t>(drop)]; }
  const Counters& counters() const { return engine_->counters(); }

  // --- the application ------------------------------------------------------------------------

  stack::Engine& engine() { return *engine_; }
  CaptureDevice& device() { return device_; }
  sim::Pool& pool() { return pool_; }
  const StackConfig& config() const { return config_; }

  std::size_t write(const std::string& text) {
    const auto n = engine_->write(conn, std::as_bytes(std::span(text)));
    settle();
    return n ? *n : 0;
  }
  std::string read(std::size_t most = 1 << 20) {
    std::string text(most, '\0');
    const auto n = engine_->read(conn, std::as_writable_bytes(std::span(text)));
    text.resize(n ? *n : 0);
    settle();
    return text;
  }
  Errc read_error() {
    std::byte byte;
    const auto n = engine_->read(conn, {&byte, 1});
    return n ? Errc::ok : n.error();
  }
  void shutdown() {
    EXPECT_EQ(engine_->shutdown(conn), Errc::ok);
    settle();
  }
  void close() {
    EXPECT_EQ(engine_->close(conn), Errc::ok);
    settle();
  }
  void abort() {
    EXPECT_EQ(engine_->abort(conn), Errc::ok);
    settle();
  }

  // --- what an opening begins with -------------------------------------------------------------

  // The station of the peer is known; later requests of the engine are answered unseen.
  void resolve_peer() {
    if (resolved_) return;
    resolved_ = true;
    queue_raw(over_ip6() ? wire::test::ndp_packet(wire::icmp6_solicitation)
                         : wire::test::arp_packet(wire::arp_request));
    settle();
  }
  // The ISS of a connection to the peer from this port of ours that begins now.
  std::uint32_t iss_now(std::uint16_t local_port) const {
    const tcp::Context& c = engine_->context();
    if (!over_ip6())
      return c.isn.tuple(make_key(peer_ip, peer_port, our_ip, local_port)).isn(now_).value;
    const AddressPair whole{Address::of(peer_address()), Address::of(our_address())};
    const Key key = c.fold.key(whole, net16(peer_port), net16(local_port));
    return c.isn.tuple(key, &whole).isn(now_).value;
  }
  // Moves the clock to where it is just below 2^32.
  void align_iss(std::uint16_t local_port) {
    const std::uint32_t ahead = near_wrap - iss_now(local_port);
    now_ += Duration{std::int64_t{ahead} << 12};
    settle();
    EXPECT_EQ(iss_now(local_port), near_wrap);
  }

  Connection conn;
  std::uint32_t irs = near_wrap;  // the peer's ISS
  std::uint32_t iss = 0;          // ours, once our SYN was seen
  std::uint32_t peer_nxt = 0;     // what the peer sends next
  std::uint32_t our_nxt = 0;      // what the peer expects next, if nothing was lost
  bool answer_arp = true;
  std::deque<Seen> sent;  // TCP only, ARP and the rest are in `others`
  std::deque<wire::test::Bytes> others;
  std::deque<Event> events;

 protected:
  std::uint16_t local_port_ = our_port;  // where the peer's segments go

 private:
  // To the next thing that happens of itself, or a little on: also neighbours have timers.
  void step(Instant until) {
    Instant next = std::min(until, now_ + 100ms);
    if (const auto timer = engine_->next_timer()) next = std::min(next, std::max(*timer, now_));
    now_ = std::max(next, now_ + 1us);
    settle();
  }
  void collect() {
    while (!device_.outbox.empty()) {
      wire::test::Bytes bytes = std::move(device_.outbox.front());
      device_.outbox.pop_front();
      Frame frame;
      frame.data = reinterpret_cast<std::byte*>(bytes.data());
      frame.length = frame.room = static_cast<std::uint16_t>(bytes.size());
      Seen seen;
      const auto parsed =
          wire::parse_step_by_step(frame, wire::ParseOptions(true, peer_mac), seen.segment);
      if (parsed.kind == wire::Kind::tcp) {
        note(seen, bytes);
      } else if (!answered_arp(bytes)) {
        others.push_back(std::move(bytes));
      }
    }
  }
  void note(Seen& seen, const wire::test::Bytes& bytes) {
    const wire::Segment& s = seen.segment;
    for (unsigned i = 0; i < 2u * s.sack_count; ++i) {
      seen.sack.push_back(wire::sack_edge(reinterpret_cast<const std::byte*>(bytes.data()), s, i));
    }
    seen.payload.assign(bytes.begin() + s.payload_offset,
                        bytes.begin() + s.payload_offset + s.payload_length);
    if ((s.flags & wire::syn) != 0) {
      iss = s.seq;
      our_nxt = 0;
    }
    const std::uint32_t end = s.seq + s.len() - iss;
    if ((s.flags & wire::rst) == 0 && static_cast<std::int32_t>(end - our_nxt) > 0) our_nxt = end;
    sent.push_back(seen);
  }
  // A solicitation is answered, an advertisement seen and forgotten.
  bool answered_ndp(const wire::test::Bytes& bytes) {
    const bool ndp = bytes[12] == 0x86 && bytes.size() >= 78 && bytes[20] == 58 &&
                     (bytes[54] == 135 || bytes[54] == 136);
    if (!answer_arp || !ndp) return false;
    if (bytes[54] == 135) {
      device_.inbox.push_back(wire::test::ndp_packet(wire::icmp6_advertisement));
    }
    return true;
  }
  bool answered_arp(const wire::test::Bytes& bytes) {
    if (over_ip6()) return answered_ndp(bytes);
    if (!answer_arp || bytes[12] != 0x08 || bytes[13] != 0x06) return false;
    if (bytes[21] == wire::arp_request) {
      wire::test::Bytes reply = wire::test::arp_packet(wire::arp_reply, our_mac);
      std::copy(our_mac.bytes.begin(), our_mac.bytes.end(), reply.begin() + 32);
      device_.inbox.push_back(std::move(reply));
    }
    return true;
  }

  static void fail(const Where& where, const std::string& text) {
    ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line())) << text;
  }

  StackConfig config_;
  HeapMemory memory_;
  sim::Pool pool_;
  CaptureDevice device_;
  std::unique_ptr<stack::Engine> engine_;
  Instant now_;
  bool resolved_ = false;
};

}  // namespace salut::test
