// The path of a packet, stage by stage: cycles of each in bursts of 32 real frames through the
// production functions of one engine, over the embedded wire (src/io/loop_port.hpp).
//
//   receive     a burst out of the wire
//   parse       frame to segment, both checksums verified, key hashed, bucket asked for
//   look-up     tags, the TCB asked for, keys compared
//   transition  events, next state, what is to be done (tcp::input_segment)
//   emit        the answer's frame, its checksums (tcp::flush_outputs)
//   send        a burst into the wire, spare frames back to the pool
//   poll        all of it as Engine::poll() does it, timers and neighbours included
//
// Each frame is the FIN of a peer on an established connection chosen at random: it changes the
// state and is answered by an ACK. The loops between the stages are input()'s own, with a look at
// the time stamp counter after each; a figure is the median over all bursts. After a burst the
// connections are put back to what they were. Frames are fresh in cache, as from a device.
//
// The floor is what a port costs without a stack: the same wire, each burst received and sent on.
//
// --flows=N (100,000; the larger of two populations, the smaller is 1,024), --bursts=N (2,000),
// --rows=FILE. Ten million need 2 GB.
#include <array>
#include <cstdio>
#include <memory>
#include <random>

#include "host/huge_memory.hpp"
#include "io/loop_port.hpp"
#include "io/sim/world.hpp"
#include "ip/arp.hpp"
#include "rows.hpp"
#include "stack/engine.hpp"
#include "tcp/addresses.hpp"
#include "tcp/input.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/output.hpp"
#include "tools.hpp"
#include "wire/emit.hpp"
#include "wire/parse.hpp"

namespace salut::bench {
namespace {

using stack::Engine;

constexpr unsigned burst = 32;
constexpr std::uint64_t too_much_for_a_cache = 128 << 20;
constexpr std::uint32_t server = 0x0a000001, gateway = 0x0a000002;
const Mac server_mac{{2, 0, 0, 0, 0, 1}}, gateway_mac{{2, 0, 0, 0, 0, 2}};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "stages: %s\n", what);
  std::exit(1);
}

using sim::Pool;

enum Stage : unsigned { receive, parse, look_up, transition, emit, send, poll, stage_count };
constexpr std::array<const char*, stage_count> stage_names = {
    "receive", "parse", "look-up", "transition", "emit", "send", "whole Engine::poll"};

// Cycles per packet: the median over the bursts.
class Samples {
 public:
  void add(std::uint64_t cycles) { all_.push_back(static_cast<std::uint32_t>(cycles)); }
  double per_packet() {
    const auto middle = all_.begin() + static_cast<std::ptrdiff_t>(all_.size() / 2);
    std::nth_element(all_.begin(), middle, all_.end());
    return static_cast<double>(*middle) / burst;
  }

 private:
  std::vector<std::uint32_t> all_;
};

using Wire = io::LoopPort::Wire;

class World {
 public:
  explicit World(std::uint64_t flows)
      : in_(io::LoopPort::make_wire(1024, Pool::buffer_bytes)),
        out_(io::LoopPort::make_wire(1024, Pool::buffer_bytes)),
        port_(out_, in_),
        flows_(flows) {
    StackConfig config;
    config.connections = static_cast<std::uint32_t>(flows);
    config.time_wait = 1024;
    config.seed = 1;
    ip::Interface interface;
    interface.device = &port_;
    interface.mac = server_mac;
    interface.addresses = {Prefix{IpAddress::v4(server), 24}};
    interface.gateway = IpAddress::v4(gateway);
    engine_ = std::make_unique<Engine>(config, std::vector{interface}, pool_, memory_, 1, 0, now_);
    know_gateway();
    for (std::uint64_t i = 0; i < flows; ++i) open(i);
  }

  void run(unsigned bursts) {
    std::array<std::uint32_t, burst> chosen;
    for (unsigned i = 0; i < bursts; ++i) {
      choose(chosen);
      staged(chosen);
      choose(chosen);
      polled(chosen);
    }
  }

  double per_packet(unsigned stage) { return samples_[stage].per_packet(); }
  std::uint64_t checksum() const { return checksum_; }

 private:
  static Key key_of(std::uint64_t i) {
    return make_key(static_cast<std::uint32_t>(0x0b000000 + i / 60'000),
                    static_cast<std::uint16_t>(1024 + i % 60'000), server, 80);
  }

  // A request of its own makes the engine know the gateway's MAC.
  void know_gateway() {
    Frame frame;
    if (!pool_.acquire(&frame, 1)) fail("no frame");
    ip::emit_arp(frame,
                 {.op = wire::arp_request,
                  .sender_mac = gateway_mac,
                  .sender_ip = net32(gateway),
                  .target_ip = net32(server),
                  .target_mac = {}},
                 server_mac);
    in_->push(&frame, 1);
    engine_->poll(now_);
    if (out_->pop(&frame, 1) == 0) fail("ARP is not answered");
    pool_.release(&frame, 1);
    ip::Neighbours& neighbours = c().interfaces.neighbours();
    hop_ = neighbours.find_or_add(0, Address::of(IpAddress::v4(gateway)));
    if (!neighbours.resolved(hop_)) fail("the gateway is not known");
  }

  // As after a handshake.
  void open(std::uint64_t i) {
    const Key key = key_of(i);
    const std::uint32_t index =
        tcp::create(c(), key, nullptr, c().hash(key), established_, hop_, 1460);
    if (index != i) fail("a connection cannot be made");
    tcp::Tcb& t = c().tcbs[index];
    t.clear(tcp::Flag::syn_unacked);
    t.snd_una = t.snd_nxt;
    t.snd_wnd = 65'535;
    t.rcv_nxt = Seq{index * 7919};
    t.rcv_adv = t.rcv_nxt + 65'535;
  }

  // Different ones, and their FINs on the wire.
  void choose(std::array<std::uint32_t, burst>& chosen) {
    for (unsigned i = 0; i < burst; ++i) {
      const std::uint64_t share = flows_ / burst;
      chosen[i] = static_cast<std::uint32_t>(share * i + random_() % share);
    }
    std::shuffle(chosen.begin(), chosen.end(), random_);
    std::array<Frame, burst> frames;
    if (!pool_.acquire(frames.data(), burst)) fail("no frames");
    for (unsigned i = 0; i < burst; ++i) {
      const tcp::Tcb& t = c().tcbs[chosen[i]];
      copy(saved_[i], t);
      wire::emit_tcp(frames[i], {.key = {.remote_addr = t.key.local_addr,
                                         .local_addr = t.key.remote_addr,
                                         .remote_port = t.key.local_port,
                                         .local_port = t.key.remote_port},
                                 .src_mac = gateway_mac,
                                 .dst_mac = server_mac,
                                 .seq = t.rcv_nxt.value,
                                 .ack = t.snd_nxt.value,
                                 .wnd = 65'535,
                                 .flags = wire::fin | wire::ack,
                                 .options = {}});
    }
    if (in_->push(frames.data(), burst) != burst) fail("the wire is full");
    // The generator has just read what no cache would hold where there are many.
    if (flows_ * sizeof(tcp::Tcb) < too_much_for_a_cache) return;
    for (unsigned i = 0; i < burst; ++i) {
      const tcp::Tcb& t = c().tcbs[chosen[i]];
      _mm_clflush(&t);
      _mm_clflush(&t.send);
    }
    _mm_mfence();
  }

  // What Engine::poll() and tcp::input() do, with the time after each stage.
  void staged(const std::array<std::uint32_t, burst>& chosen) {
    tcp::Context& x = c();
    std::array<Frame, tcp::burst> frames;
    std::array<std::uint64_t, send + 2> at;
    x.clock.set(now_);
    x.event_count = 0;
    at[receive] = __rdtsc();
    const unsigned n = x.interfaces.receive(0, frames.data(), tcp::burst);
    at[parse] = __rdtsc();
    const wire::ParseOptions options{true, x.interfaces.interface(0).mac, &x.fold};
    for (unsigned i = 0; i < n; ++i) {
      wire::Segment& s = received_.segments[i];
      if (wire::parse(frames[i], options, s).kind != wire::Kind::tcp) fail("a frame is refused");
      s.frame = static_cast<std::uint16_t>(i);
      s.hash = x.hash(s.key);
      x.flows.prefetch(s.hash);
    }
    at[look_up] = __rdtsc();
    for (unsigned i = 0; i < n; ++i) {
      received_.candidates[i] = x.flows.candidate(received_.segments[i].hash);
      __builtin_prefetch(&x.tcbs[received_.candidates[i]], 1);
    }
    for (unsigned i = 0; i < n; ++i) {
      const wire::Segment& s = received_.segments[i];
      if (!tcp::same_connection(x, received_.candidates[i], s.key, nullptr)) [[unlikely]]
        received_.candidates[i] = tcp::find_connection(x, s.hash, s.key, nullptr);
    }
    at[transition] = __rdtsc();
    for (unsigned i = 0; i < n; ++i) {
      const Frame& frame = frames[received_.segments[i].frame];
      tcp::input_segment(x, received_.candidates[i], received_.segments[i], frame);
      x.interfaces.recycle(frame);
    }
    at[emit] = __rdtsc();
    tcp::flush_outputs(x, false);
    at[send] = __rdtsc();
    x.interfaces.flush(x.clock.now);
    x.interfaces.release_spare();
    at[send + 1] = __rdtsc();
    if (n != burst || x.event_count != burst) fail("a segment is lost");
    for (unsigned stage = receive; stage <= send; ++stage) {
      samples_[stage].add(at[stage + 1] - at[stage]);
    }
    put_back(chosen);
  }

  void polled(const std::array<std::uint32_t, burst>& chosen) {
    const std::uint64_t begin = __rdtsc();
    const auto events = engine_->poll(now_);
    // With events to handle the ACKs wait for what the application answers, here nothing.
    tcp::flush_outputs(c(), false);
    c().interfaces.flush(now_);
    samples_[poll].add(__rdtsc() - begin);
    if (events.size() != burst) fail("a segment is lost");
    put_back(chosen);
  }

  // Byte by byte: nobody but the stack can assign a state.
  static void copy(tcp::Tcb& to, const tcp::Tcb& from) {
    std::memcpy(static_cast<void*>(&to), &from, sizeof(to));
  }

  // The answers are counted, the connections established again.
  void put_back(const std::array<std::uint32_t, burst>& chosen) {
    std::array<Frame, burst + 1> frames;
    const auto n = static_cast<unsigned>(out_->pop(frames.data(), burst + 1));
    if (n != burst) fail("an answer is missing, or there is one too many");
    for (unsigned i = 0; i < burst; ++i) {
      wire::Segment s;
      Frame frame = frames[i];
      frame.flags = 0;
      if (wire::parse(frame, {true, gateway_mac}, s).kind != wire::Kind::tcp) fail("a bad answer");
      checksum_ += s.ack;
      tcp::Tcb& t = c().tcbs[chosen[i]];
      if (t.state != State::close_wait) fail("a FIN is lost");
      copy(t, saved_[i]);
    }
    pool_.release(frames.data(), burst);
  }

  tcp::Context& c() { return engine_->context(); }

  Pool pool_{4096};
  HugeMemory memory_;
  std::shared_ptr<Wire> in_, out_;
  io::LoopPort port_;
  std::uint64_t flows_;
  Instant now_{std::chrono::seconds{1}};
  std::unique_ptr<Engine> engine_;
  std::uint16_t hop_ = 0;
  std::mt19937_64 random_{1};
  // The cell that makes an established connection.
  const tcp::Cell& established_ = tcp::step(State::syn_sent, tcp::StateEvent::syn_ack);
  tcp::ReceiveBurst received_;
  std::array<tcp::Tcb, burst> saved_;
  std::array<Samples, stage_count> samples_;
  std::uint64_t checksum_ = 0;
};

// What testpmd's io forwarding does: a burst in, the same burst out.
double floor_cycles(unsigned bursts) {
  Pool pool(256);
  const auto in = io::LoopPort::make_wire(1024, Pool::buffer_bytes),
             out = io::LoopPort::make_wire(1024, Pool::buffer_bytes);
  io::LoopPort port(out, in);
  std::array<Frame, burst> frames;
  if (!pool.acquire(frames.data(), burst)) fail("no frames");
  Samples samples;
  for (unsigned i = 0; i < bursts; ++i) {
    in->push(frames.data(), burst);
    const std::uint64_t begin = __rdtsc();
    const unsigned n = port.receive(frames.data(), burst);
    port.transmit(frames.data(), n);
    samples.add(__rdtsc() - begin);
    if (out->pop(frames.data(), burst) != burst) fail("the wire loses frames");
  }
  return samples.per_packet();
}

void measure(std::uint64_t flows, unsigned bursts, double floor, Rows& rows) {
  const auto world = std::make_unique<World>(flows);
  world->run(bursts);
  const std::string of = ", a FIN of one of " + in_words(flows) + " connections";
  double sum = 0;
  for (unsigned stage = 0; stage < stage_count; ++stage) {
    const double cycles = world->per_packet(stage);
    if (stage != poll) sum += cycles;
    std::printf("%-20s %8.1f\n", stage_names[stage], cycles);
    Row row{.what = stage_names[stage] + of, .figure = cycles, .unit = "cycles per packet"};
    if (stage == poll) {
      char text[128];
      std::snprintf(text, sizeof(text),
                    "its stages by themselves sum up to %.0f; io forwarding on the same wire takes "
                    "%.1f",
                    sum, floor);
      row.note = text;
    }
    rows.add(row);
  }
  rows.check("acks" + std::to_string(flows), world->checksum());
}

}  // namespace
}  // namespace salut::bench

int main(int argc, char** argv) {
  using namespace salut::bench;
  Rows rows(text_flag(argc, argv, "rows"));
  const std::uint64_t flows = flag(argc, argv, "flows", 100'000);
  const auto bursts = static_cast<unsigned>(flag(argc, argv, "bursts", 2'000));
  if (argc > 1 || flows < 1024 || flows > 60'000'000 || bursts == 0) {
    std::fprintf(stderr, "stages: --flows=1024..60000000 --bursts=N --rows=FILE\n");
    return 2;
  }
  const double floor = floor_cycles(bursts);
  std::printf("cycles per packet; io forwarding on the same wire: %.1f\n", floor);
  rows.note("A cycle is one of the time stamp counter's.");
  measure(1024, bursts, floor, rows);
  std::printf("%s flows\n", in_words(flows).c_str());
  measure(flows, bursts, floor, rows);
  return rows.write() ? 0 : 1;
}
