// When are two states the same? When every number in them is, seen from where the connection
// stands: sequence numbers from SND.UNA, deadlines from now, and nothing that only counts.
//
// What is left out can make no difference within a search: counters, the wheel's stale entries,
// slots and generations behind a handle, the neighbour cache, and what is left of the budget for
// challenge ACKs.
#include <algorithm>
#include <cstring>
#include <optional>

#include "model.hpp"
#include "tcp/lifecycle.hpp"
#include "wire/parse.hpp"

namespace salut::search {
namespace {

using tcp::Flag;
using tcp::Tcb;

// A member that is new must be looked at here: is it part of a state?
static_assert(sizeof(Tcb) == 128);

class Hash {
 public:
  void add(std::uint64_t value) {
    value_ ^= value + 0x9e3779b97f4a7c15 + (value_ << 6) + (value_ >> 2);
    value_ *= 0xff51afd7ed558ccd;
    value_ ^= value_ >> 32;
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0x243f6a8885a308d3;
};

// Where each direction's sequence numbers are counted from.
struct Anchors {
  std::optional<std::uint32_t> from[2];
  void offer(unsigned side, std::uint32_t seq) {
    if (!from[side]) from[side] = seq;
  }
  std::uint32_t relative(unsigned side, std::uint32_t seq) const {
    return seq - from[side].value_or(0);
  }
};

struct Parsed {
  wire::Segment segment;
  bool valid = false;
};

Parsed parse(const Packet& packet) {
  Parsed parsed;
  Frame frame;
  frame.data = const_cast<std::byte*>(packet.bytes.data());
  frame.length = packet.length;
  Mac destination;
  std::memcpy(&destination, frame.data, sizeof(destination));
  const wire::ParseOptions options(false, destination);
  parsed.valid = wire::parse_step_by_step(frame, options, parsed.segment).kind == wire::Kind::tcp;
  return parsed;
}

bool is_used(const Tcb& t) { return !(t.key == decltype(t.key){}); }

// The record that the tuple has in this side's TIME_WAIT arena, if any.
const flow::Record* record_of(const tcp::Context& c, unsigned side) {
  const AddressPair pair{Address::of(address_of(1 - side)), Address::of(address_of(side))};
  const Key key = over_ip6() ? c.fold.key(pair, net16(ports[1 - side]), net16(ports[side]))
                             : make_key(address_of(1 - side).v4(), ports[1 - side],
                                        address_of(side).v4(), ports[side]);
  const auto is_record = [&](std::uint32_t index) {
    return (index & tcp::time_wait_bit) != 0 && c.time_wait[index & ~tcp::time_wait_bit].key == key;
  };
  const std::uint32_t entry = c.flows.find(c.hash(key), is_record);
  return entry == flow::Table::none ? nullptr : &c.time_wait[entry & ~tcp::time_wait_bit];
}

void find_anchors(const tcp::Context& c, unsigned side, Anchors& anchors) {
  for (std::uint32_t i = 0; i < c.tcbs.size(); ++i) {
    const Tcb& t = c.tcbs[i];
    if (!is_used(t) || t.has(Flag::finished)) continue;
    anchors.offer(side, t.snd_una.value);
    if (t.state != State::syn_sent) anchors.offer(1 - side, t.rcv_nxt.value);
  }
  if (const flow::Record* record = record_of(c, side)) {
    anchors.offer(side, record->snd_nxt);
    anchors.offer(1 - side, record->rcv_nxt);
  }
}

// A Stream is taken as it lies there, whatever its members are: with instants in it, no two moments
// are the same.
void add_data(Hash& hash, const tcp::Context& c, const Tcb& t) {
  hash.add(t.send.bytes);
  hash.add(t.recv.bytes);
  hash.add(t.snd_wl1 - t.rcv_nxt);
  hash.add(t.snd_wl2 - t.snd_una);
  const tcp::Stream& stream = c.streams[t.stream];
  const auto* bytes = reinterpret_cast<const std::byte*>(&stream);
  for (std::size_t at = 0; at + 8 <= sizeof(stream); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes + at, sizeof(word));
    hash.add(word);
  }
  hash.add(static_cast<std::uint64_t>(c.clock.now.time_since_epoch().count()));
}

std::uint64_t hash_of(const tcp::Context& c, const Tcb& t, unsigned side, const Anchors& anchors) {
  Hash hash;
  hash.add(std::uint64_t{t.state.index()} << 32 | t.flags);
  hash.add(std::uint64_t{t.retries} << 32 | t.ending);
  hash.add(t.user);
  hash.add(t.mss);
  hash.add(t.listener);
  hash.add(anchors.relative(side, t.snd_una.value));
  hash.add(t.snd_nxt - t.snd_una);
  hash.add(t.state == State::syn_sent ? 0 : anchors.relative(1 - side, t.rcv_nxt.value));
  hash.add(t.rcv_adv - t.rcv_nxt);
  hash.add(t.snd_wnd);
  hash.add(t.timer_at == 0 ? 0 : 1 + std::uint64_t{t.timer_at - c.clock.tick.value});
  if (t.has(Flag::timestamps)) {
    // Where clocks are in the segments, no two instants are the same.
    hash.add(std::uint64_t{t.ts_recent} << 32 | t.ts_offset);
    hash.add(std::uint64_t{t.ts_recent_at} << 32 | c.clock.tick.value);
    hash.add(t.last_ack_sent - t.rcv_nxt);
  }
  if (t.has(Flag::data_ready)) add_data(hash, c, t);
  return hash.value();
}

void add_engine(Hash& hash, const tcp::Context& c, unsigned side, const Anchors& anchors) {
  // Which slots they lie in makes no difference.
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < c.tcbs.size(); ++i) {
    if (is_used(c.tcbs[i])) sum += hash_of(c, c.tcbs[i], side, anchors);
  }
  hash.add(sum);
  // One tuple, one record: were there more, they would have to be told apart.
  hash.add(c.time_wait.size());
  if (const flow::Record* record = record_of(c, side)) {
    hash.add(anchors.relative(side, record->snd_nxt));
    hash.add(anchors.relative(1 - side, record->rcv_nxt));
    hash.add(record->rcv_wnd);
    hash.add(record->deadline - c.clock.tick.value);
  }
}

void add_side(Hash& hash, const Side& side) {
  for (const Conn& conn : side.conns) {
    std::uint64_t bits = 0;
    for (const bool bit : {conn.live, conn.own, conn.connected, conn.peer_closed, conn.shut,
                           conn.close_called, conn.abort_called}) {
      bits = bits << 1 | (bit ? 1 : 0);
    }
    hash.add(bits << 16 | std::uint64_t{conn.written} << 8 | conn.read);
  }
  hash.add(std::uint64_t{side.connects_left} << 16 | side.writes_left << 8 |
           (side.listening ? 1 : 0));
}

void add_packet(Hash& hash, const Packet& packet, unsigned from, const Anchors& anchors) {
  const Parsed parsed = parse(packet);
  const wire::Segment& s = parsed.segment;
  hash.add(parsed.valid ? s.flags : 0x100u);
  const bool has_ack = (s.flags & wire::ack) != 0;
  // A reset without an ACK to go by has sequence 0, whoever it is for.
  hash.add(s.seq == 0 ? 0 : anchors.relative(from, s.seq));
  hash.add(has_ack ? anchors.relative(1 - from, s.ack) : 0);
  hash.add(std::uint64_t{s.wnd} << 32 | std::uint64_t{s.payload_length} << 16 | s.options_length);
  for (std::size_t i = s.options_offset; i < packet.length; ++i) {
    hash.add(std::to_integer<std::uint64_t>(packet.bytes[i]));
  }
}

}  // namespace

std::uint64_t Model::fingerprint() const {
  Anchors anchors;
  for (unsigned side = 0; side < 2; ++side) find_anchors(engine(side).context(), side, anchors);
  for (unsigned side = 0; side < 2; ++side) {
    for (std::uint32_t i = 0; i < world_->wires[side].count; ++i) {
      const Parsed parsed = parse(world_->wires[side].packets[i]);
      if (parsed.segment.seq != 0) anchors.offer(side, parsed.segment.seq);
      if ((parsed.segment.flags & wire::ack) != 0) anchors.offer(1 - side, parsed.segment.ack);
    }
  }
  Hash hash;
  for (unsigned side = 0; side < 2; ++side) {
    add_engine(hash, engine(side).context(), side, anchors);
    add_side(hash, world_->sides[side]);
    const Wire& wire = world_->wires[side];
    hash.add(wire.count);
    for (std::uint32_t i = 0; i < wire.count; ++i) {
      add_packet(hash, wire.packets[i], side, anchors);
    }
  }
  return hash.value();
}

}  // namespace salut::search
