// libFuzzer target: the input is a program that an engine's peers, its application, its link and
// its clock carry out together. Most commands make a segment from the numbers that a connection
// really has, with deviations, so that a few bytes lead deep into any state; others are bytes as
// they come. engine_rig.hpp says what must hold whatever the program is.
//
//   fuzz_engine -max_len=512 FOUND tests/fuzz/corpus/engine     (clang; new inputs go to FOUND)
//   fuzz_engine_replay tests/fuzz/corpus/engine [mutations [seed [first]]]
//
// A program: two bytes of configuration (config_from(), StartBit), then commands. A command byte:
// low four bits what (enum Op), the next three on which connection, the highest: the engine does
// not get a turn yet, so that several segments arrive in one burst. Arguments follow; what is
// missing at the end is zero. make_engine_corpus.py writes programs by name and shows the encoding.
#include <array>
#include <cstddef>
#include <cstdint>

#include "engine_rig.hpp"

namespace salut::fuzz {
namespace {

using namespace std::chrono_literals;

enum Op : std::uint8_t {
  op_advance,  // which of `waits`
  op_listen,   // on or off
  op_connect,
  op_read,   // how many bytes, times 16; odd, for an application that may: peek() and consume()
  op_write,  // how many bytes, times 64; odd, for an application that may: lend()
  op_shutdown,
  op_close,
  op_abort,
  op_open,     // the peer opens, or answers our SYN, as it should: to ESTABLISHED in one command
  op_next,     // the peer's correct next segment: flags, payload times 8
  op_segment,  // flags, bases, seq and ack offset, window (2), options, payload times 4
  op_raw,      // length, bytes; checksums are made right if the length is odd
  op_link,     // bits: ARP and NDP silent, device stuck, pool empty
  op_icmp,     // type, code, what of the connection's last segment is quoted
  op_again,    // the last segment once more
  op_flood,    // so many SYNs from different ports
};

constexpr std::array<Duration, 16> waits = {0ms,    1ms, 2ms, 39ms, 41ms, 199ms, 201ms, 999ms,
                                            1001ms, 3s,  59s, 61s,  121s, 10min, 2h,    26h};

class Program {
 public:
  Program(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool done() const { return at_ >= size_; }
  std::uint8_t byte() { return at_ < size_ ? data_[at_++] : std::uint8_t{0}; }
  std::int8_t offset() { return static_cast<std::int8_t>(byte()); }
  Bytes bytes(std::size_t n) {
    Bytes out;
    while (n-- > 0 && !done()) out.push_back(byte());
    return out;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

StackConfig config_from(std::uint8_t bits) {
  StackConfig config;
  config.connections = 16;
  config.time_wait = 16;
  config.buffer_blocks = 64;
  config.lent_frames = 12;
  config.send_buffer = 16'384;
  config.recv_buffer = (bits & 1) != 0 ? 2'048 : 32'768;
  config.coalesce = (bits & 2) == 0;
  config.window_scale = (bits & 4) == 0;
  config.timestamps = (bits & 8) == 0;
  config.sack = (bits & 16) == 0;
  config.ecn = (bits & 32) != 0;
  if ((bits & 64) != 0) config.delayed_ack = 0ms;
  if ((bits & 128) != 0) config.buffer_blocks = 16;
  return config;
}

// The second byte of configuration.
enum StartBit : std::uint8_t {
  start_tick_wrap = 1,   // the tick counter is about to wrap
  start_ms_wrap = 2,     // the counter of milliseconds is
  start_small_mtu = 4,   // the least of the family
  start_unresolved = 8,  // the peer's address is not known yet
  start_ip6 = 16,
  start_no_copy = 32,  // the application peeks and lends, too
  start_more = 64,     // each segment takes one more byte, the last: see Rig::packet()
};

Instant start_from(std::uint8_t bits) {
  constexpr std::int64_t tick_wrap = std::int64_t{1} << (32 + tick_shift);
  constexpr std::int64_t ms_wrap = (std::int64_t{1} << 32) * 1'000'000;
  if ((bits & start_tick_wrap) != 0) return Instant{Duration{tick_wrap} - 2s};
  if ((bits & start_ms_wrap) != 0) return Instant{Duration{ms_wrap} - 2s};
  return Instant{1s};
}

std::uint16_t mtu_from(std::uint8_t bits) {
  if ((bits & start_small_mtu) == 0) return 1500;
  return (bits & start_ip6) != 0 ? 1280 : 576;
}

class Machine {
 public:
  Machine(const std::uint8_t* data, std::size_t size)
      : program_(data, size),
        config_bits_(program_.byte()),
        start_bits_(program_.byte()),
        rig_(config_from(config_bits_), start_from(start_bits_), mtu_from(start_bits_),
             (start_bits_ & start_ip6) != 0 ? Family::ip6 : Family::ip4) {}

  void run() {
    if ((start_bits_ & start_unresolved) == 0) rig_.introduce();
    for (unsigned commands = 0; commands < 400 && !program_.done(); ++commands) {
      const std::uint8_t command = program_.byte();
      carry_out(static_cast<Op>(command & 15), command >> 4 & 7);
      if ((command & 0x80) == 0) rig_.poll();
    }
    rig_.finish();
  }

 private:
  void carry_out(Op op, unsigned which);
  void call(Op op, unsigned which);
  void open(unsigned which);
  void next(unsigned which);
  void segment(unsigned which);
  void raw();
  void icmp(unsigned which);
  void flood();
  wire::test::TcpSpec correct(const Flow& flow, unsigned flags) const;
  void send(const wire::test::TcpSpec& spec);
  Bytes options(const Flow& flow, std::uint8_t what);
  Bytes payload(std::uint32_t seq, std::size_t size) const;
  std::uint32_t clock() const {
    return static_cast<std::uint32_t>(rig_.now().time_since_epoch() / 1ms);
  }

  Program program_;
  std::uint8_t config_bits_;
  std::uint8_t start_bits_;
  Rig rig_;
  Bytes last_;
};

void Machine::carry_out(Op op, unsigned which) {
  switch (op) {
    case op_advance: {
      const std::uint8_t wait = program_.byte();
      if ((wait & 0x80) != 0) {
        rig_.advance_to_timer();
      } else {
        rig_.advance(waits[wait % waits.size()]);
      }
      return;
    }
    case op_listen:
      return rig_.listen(which % 2 == 0);
    case op_connect:
      return rig_.connect(which);
    case op_open:
      return open(which);
    case op_next:
      return next(which);
    case op_segment:
      return segment(which);
    case op_raw:
      return raw();
    case op_link:
      rig_.set_silent((which & 1) != 0);
      rig_.set_stuck((which & 2) != 0);
      return rig_.set_starved((which & 4) != 0);
    case op_icmp:
      return icmp(which);
    case op_again:
      return rig_.put(last_);
    case op_flood:
      return flood();
    default:
      return call(op, which);
  }
}

void Machine::call(Op op, unsigned which) {
  const std::size_t size = op == op_read || op == op_write ? program_.byte() : 0u;
  Conn* conn = rig_.conn(which);
  if (conn == nullptr) return;
  const bool no_copy = (start_bits_ & start_no_copy) != 0 && size % 2 != 0;
  switch (op) {
    case op_read:
      return no_copy ? rig_.look(*conn, size * 16) : rig_.read(*conn, size * 16);
    case op_write:
      return no_copy ? rig_.lend(*conn, size * 64) : rig_.write(*conn, size * 64);
    case op_shutdown:
      static_cast<void>(rig_.engine().shutdown(conn->handle));
      return;
    case op_close:
      static_cast<void>(rig_.engine().close(conn->handle));
      return;
    default:
      static_cast<void>(rig_.engine().abort(conn->handle));
  }
}

wire::test::TcpSpec Machine::correct(const Flow& flow, unsigned flags) const {
  wire::test::TcpSpec spec;
  spec.source_port = flow.remote_port;
  spec.destination_port = flow.local_port;
  spec.seq = flow.peer_nxt;
  spec.ack = (flags & wire::ack) != 0 ? flow.snd_nxt : 0;
  spec.flags = flags;
  return spec;
}

void Machine::send(const wire::test::TcpSpec& spec) {
  last_ = rig_.packet(spec, (start_bits_ & start_more) != 0 ? program_.byte() : 0u);
  rig_.put(last_);
}

Bytes Machine::payload(std::uint32_t seq, std::size_t size) const {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = std::to_integer<std::uint8_t>(Rig::peer_byte(seq + static_cast<std::uint32_t>(i)));
  }
  return bytes;
}

void Machine::open(unsigned which) {
  Flow& flow = rig_.flow(which);
  const std::uint8_t what = program_.byte();
  const bool passive = which < flow_count;
  const bool was_known = flow.known;
  if (passive) flow.known = false;  // a SYN,ACK to come, not one of before
  if (!passive && !flow.known) return;
  wire::test::TcpSpec spec = correct(flow, passive ? wire::syn : wire::syn | wire::ack);
  spec.options = options(flow, what);
  send(spec);
  for (unsigned i = 0; i < 3 && (i == 0 || !flow.known); ++i) rig_.poll();  // ARP comes first
  if (!flow.known) {
    flow.known = was_known;
    return;
  }
  flow.peer_nxt = spec.seq + 1;
  if (passive) {
    spec = correct(flow, wire::ack);
    if ((what & 15) >= 8) spec.options = options(flow, 2);
    send(spec);
  }
}

void Machine::next(unsigned which) {
  Flow& flow = rig_.flow(which);
  const std::uint8_t flags = program_.byte();
  const std::size_t size = program_.byte() * std::size_t{8};
  wire::test::TcpSpec spec = correct(flow, flags & 0x3f);
  if ((flags & 0x80) != 0) spec.options = options(flow, 2);
  if ((flags & wire::syn) == 0) spec.payload = payload(spec.seq, std::min<std::size_t>(size, 1400));
  send(spec);
  flow.peer_nxt += static_cast<std::uint32_t>(spec.payload.size()) +
                   ((flags & (wire::syn | wire::fin)) != 0 ? 1u : 0u);
}

void Machine::segment(unsigned which) {
  const Flow& flow = rig_.flow(which);
  const std::uint8_t flags = program_.byte();
  const std::uint8_t bases = program_.byte();
  const std::int32_t seq_offset = program_.offset() * ((bases & 64) != 0 ? 0x10101 : 1);
  const std::int32_t ack_offset = program_.offset() * ((bases & 128) != 0 ? 0x10101 : 1);
  const unsigned window = program_.byte() << 8 | program_.byte();
  const std::uint8_t option = program_.byte();
  const std::size_t size = program_.byte() * std::size_t{4};
  const std::array<std::uint32_t, 8> seq_bases = {flow.peer_nxt,    flow.rcv_nxt,      flow.edge,
                                                  flow.rcv_nxt - 1, flow.peer_nxt - 1, 0,
                                                  flow.iss,         flow.edge - 1};
  const std::array<std::uint32_t, 8> ack_bases = {
      flow.snd_nxt, flow.iss, flow.iss + 1,     flow.snd_nxt - 1,
      flow.rcv_nxt, 0,        flow.snd_nxt + 1, flow.snd_nxt - 1460};
  wire::test::TcpSpec spec = correct(flow, flags);
  spec.seq = seq_bases[bases & 7] + static_cast<std::uint32_t>(seq_offset);
  spec.ack = ack_bases[bases >> 3 & 7] + static_cast<std::uint32_t>(ack_offset);
  spec.window = window;
  spec.options = options(flow, option);
  // SYN takes the first number: text begins behind it.
  spec.payload = payload(spec.seq + ((flags & wire::syn) != 0 ? 1u : 0u), size);
  send(spec);
}

// Low four bits: which; the others vary it.
Bytes Machine::options(const Flow& flow, std::uint8_t what) {
  const auto times = [&](std::uint32_t tsval, std::uint32_t tsecr) {
    Bytes bytes(12, 1);
    bytes[2] = 8, bytes[3] = 10;
    wire::test::put32(bytes, 4, tsval);
    wire::test::put32(bytes, 8, tsecr);
    return bytes;
  };
  const auto more = static_cast<std::uint8_t>(what >> 4);
  switch (what & 15) {
    case 1:
      return {2, 4, more, 0xb4};  // MSS 180 and up
    case 2:
      return times(clock(), flow.tsval);
    case 3:
      return times(clock() + program_.byte() * 0x1000001u, flow.tsval + program_.byte());
    case 4:
      return {4, 2, 1, 1};  // SACK-permitted
    case 5:
      return {3, 3, more, 1};  // window scale
    case 6: {                  // SACK blocks of sense and nonsense
      Bytes bytes = {1, 1, 5, 0};
      for (unsigned i = 0; i <= more % 4u; ++i) {
        const std::uint32_t left = flow.snd_nxt - program_.byte() * 16u;
        bytes.resize(bytes.size() + 8);
        wire::test::put32(bytes, bytes.size() - 8, left);
        wire::test::put32(bytes, bytes.size() - 4,
                          left + static_cast<std::uint32_t>(program_.offset() * 16));
      }
      bytes[3] = static_cast<std::uint8_t>(bytes.size() - 2);
      return bytes;
    }
    case 7: {  // whatever
      Bytes bytes = program_.bytes(std::size_t{4} * (more % 11u));
      bytes.resize((bytes.size() + 3) / 4 * 4);
      return bytes;
    }
    case 8:
    case 9: {  // what Linux sends on a SYN
      Bytes bytes = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, more};
      wire::test::put32(bytes, 8, clock());
      wire::test::put32(bytes, 12, flow.tsval);
      return bytes;
    }
    case 10:
      return {2, 0, 0, 0};
    case 11:
      return {8, 10, 0, 0};  // runs past the header
    default:
      return {};
  }
}

void Machine::raw() {
  const std::size_t size = program_.byte();
  Bytes bytes = program_.bytes(size);
  if (size % 2 != 0 && bytes.size() >= 34) {
    rig_.ip6() ? wire::test::fix_checksums_6(bytes) : wire::test::fix_checksums(bytes);
  }
  // It may be a valid segment of a connection with bytes of its own.
  rig_.forge();
  last_ = bytes;
  rig_.put(std::move(bytes));
}

void Machine::icmp(unsigned which) {
  const Flow& flow = rig_.flow(which);
  const std::uint8_t type = program_.byte();
  const std::uint8_t code = program_.byte();
  const unsigned mtu = program_.byte() * 8u;
  const std::int32_t offset = program_.offset();
  last_ =
      rig_.icmp_error(type, code, mtu, flow, flow.snd_nxt - 1 + static_cast<std::uint32_t>(offset));
  rig_.put(last_);
}

void Machine::flood() {
  const unsigned count = program_.byte() % 64u;
  wire::test::TcpSpec spec;
  spec.flags = wire::syn;
  spec.ack = 0;
  for (unsigned i = 0; i < count; ++i) {
    spec.source_port = 20'000 + i;
    rig_.put(rig_.packet(spec));
  }
}

}  // namespace
}  // namespace salut::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4'096) return 0;
  salut::fuzz::Machine(data, size).run();
  return 0;
}
