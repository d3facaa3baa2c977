#include "tcp/input.hpp"

#include <algorithm>
#include <array>

#include "tcp/addresses.hpp"
#include "tcp/icmp_input.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/output.hpp"
#include "tcp/reassembly.hpp"
#include "tcp/sender.hpp"
#include "tcp/stream_setup.hpp"
#include "tcp/timers.hpp"
#include "tcp/timestamps.hpp"
#include "tcp/transmit.hpp"
#include "tcp/window.hpp"
#include "wire/parse.hpp"

namespace salut::tcp {
namespace {

using wire::Segment;

// A table larger than the TLB reaches makes each first look at a page a walk, which even a prefetch
// waits for; walks that are asked for next to each other are walked at once.
constexpr unsigned walks = 8;

void prefetch_buckets(const Context& c, const Segment* segments, unsigned from, unsigned to) {
  for (unsigned i = from; i < to; ++i) c.flows.prefetch(segments[i].hash);
}

// Stage 1: frames to segments; what is not TCP is answered or dropped here.
unsigned parse_burst(Context& c, Frame* frames, unsigned count, Segment* segments) {
  unsigned n = 0;
  unsigned asked = 0;
  const wire::ParseOptions options{c.config.verify_checksums,
                                   c.interfaces.interface(frames[0].port).mac, &c.fold};
  for (unsigned i = 0; i < count; ++i) {
    Frame& frame = frames[i];
    if (i + ip::Interfaces::ahead < count)
      ip::Interfaces::prefetch(frames[i + ip::Interfaces::ahead]);
    const wire::Parsed parsed = wire::parse(frame, options, segments[n]);
    if (parsed.kind == wire::Kind::tcp) [[likely]] {
      Segment& segment = segments[n++];
      segment.frame = static_cast<std::uint16_t>(i);
      segment.hash = c.hash(segment.key);
      if (n - asked == walks) {
        prefetch_buckets(c, segments, asked, n);
        asked = n;
      }
    } else if (parsed.kind == wire::Kind::arp) {
      c.interfaces.on_arp(frame, c.clock.now);
    } else if (parsed.kind == wire::Kind::icmp) {
      input_icmp(c, segments[n], frame);
    } else if (parsed.drop == Drop::ether_type_unknown && ip::Interfaces::untag_priority(frame)) {
      --i;  // once more, without its tag
    } else {
      c.interfaces.drop(frame, parsed.drop);
    }
  }
  prefetch_buckets(c, segments, asked, n);
  return n;
}

// Stage 2: tag to candidate, unverified, some segments ahead of stage 4.
std::uint32_t find_candidate(Context& c, const Segment& segment) {
  const std::uint32_t index = c.flows.candidate(segment.hash);
  if ((index & time_wait_bit) == 0) {
    __builtin_prefetch(&c.tcbs[index], 1);
    if (c.config.timestamps) __builtin_prefetch(&c.tcbs[index].ts_recent, 1);
    if (segment.ip6 && c.interfaces.has_ip6()) __builtin_prefetch(&c.addresses6[index]);
  } else if (index != flow::Table::none) {
    c.time_wait.prefetch(index & ~time_wait_bit);
    if (segment.ip6 && c.interfaces.has_ip6())
      __builtin_prefetch(&c.time_wait6[index & ~time_wait_bit]);
  }
  return index;
}

// Stage 3: TCB to Stream.
void prefetch_stream(const Context& c, std::uint32_t candidate) {
  if ((candidate & time_wait_bit) != 0) return;
  const Tcb& t = c.tcbs[candidate];
  if (t.has(Flag::data_ready)) c.streams.prefetch(t.stream);
}

void input_other(Context& c, std::uint32_t index, const Segment& segment, const Frame& frame) {
  Tcb& t = c.tcbs[index];
  const std::uint32_t payload = segment.payload_length;
  const std::uint32_t fin = segment.flags & wire::fin;
  bool slow = leaves_fast_path(t, segment);
  slow |= t.has(Flag::timestamps) && paws_rejects(c, t, segment);
  if (slow) [[unlikely]] {
    ++c.counters.slow_segments;
    return input_slow(c, index, segment, frame);
  }

  update_ts_recent(c, t, segment);
  unsigned bits = accept_ack(c, index, segment, frame, is_newest(t, segment));
  unsigned what = 0;
  if (payload != 0) {
    const std::uint32_t taken =
        accept_payload(c, t, frame, {frame.data + segment.payload_offset, payload});
    if (taken > 0) what |= salut::Event::readable;
    t.set(taken == payload ? Flag::ack_delayed : Flag::ack_pending);
    if (fin == 0 && is_quick_ack_due(c, t)) output_ack(c, index);
    bits |= fin != 0 && taken == payload ? unsigned{fast_fin} : 0u;
  } else {
    bits |= fin * fast_fin;
  }
  if ((bits & fast_fin) != 0) {
    t.rcv_nxt += 1;
    t.set(Flag::fin_received | Flag::ack_pending);
  }
  if (apply_fast(c, index, bits, what) == Fate::gone) return;
  if (has_output(t)) c.queue_output(index);
}

// Stage 4: an earlier segment of the burst may have made, moved or ended the connection.
void process(Context& c, const Segment& segment, std::uint32_t candidate, const Frame& frame) {
  std::uint32_t index = candidate;
  const AddressPair* whole = whole_addresses(segment, frame);
  if ((index & time_wait_bit) == 0) [[likely]] {
    if (is_predicted(c.tcbs[index], segment) &&
        (whole == nullptr || c.addresses6[index] == *whole) &&
        accept_predicted(c, index, segment, frame)) [[likely]]
      return;
    if ((segment.flags & wire::syn) != 0 && accept_usual_syn_ack(c, index, segment, frame)) return;
  }
  // CLOSED, but with its key: over, and kept for unread bytes only (Flag::finished).
  const bool sure = (index & time_wait_bit) == 0 && same_connection(c, index, segment.key, whole) &&
                    c.tcbs[index].state != State::closed;
  if (!sure) index = find_connection(c, segment.hash, segment.key, whole);
  if (index == flow::Table::none) {
    input_unmatched(c, segment, frame);
  } else if ((index & time_wait_bit) != 0) {
    input_time_wait(c, index & ~time_wait_bit, segment, frame);
  } else {
    input_other(c, index, segment, frame);
  }
}

}  // namespace

void input(Context& c, ReceiveBurst& received, Frame* frames, unsigned count) {
  const unsigned n = parse_burst(c, frames, count, received.segments.data());
  // One lookup waits for memory while eight others are worked on, and what it leads to for four.
  constexpr unsigned ahead = 8;
  constexpr unsigned stream_ahead = 4;
  const auto look_ahead = [&](unsigned i) {
    if (i < n) received.candidates[i] = find_candidate(c, received.segments[i]);
  };
  for (unsigned i = 0; i < ahead; ++i) look_ahead(i);
  for (unsigned i = 0; i < n; ++i) {
    look_ahead(i + ahead);
    if (i + stream_ahead < n) prefetch_stream(c, received.candidates[i + stream_ahead]);
    const Frame& frame = frames[received.segments[i].frame];
    c.frame_kept = false;
    process(c, received.segments[i], received.candidates[i], frame);
    if (!c.frame_kept) c.interfaces.recycle(frame);
  }
  c.counters.segments_in += n;
}

void input_segment(Context& c, std::uint32_t index, const Segment& segment, const Frame& frame) {
  if (is_predicted(c.tcbs[index], segment) && accept_predicted(c, index, segment, frame)) return;
  if ((segment.flags & wire::syn) != 0 && accept_usual_syn_ack(c, index, segment, frame)) return;
  input_other(c, index, segment, frame);
}

unsigned accept_ack(Context& c, std::uint32_t index, const Segment& s, const Frame& frame,
                    bool update_wnd) {
  Tcb& t = c.tcbs[index];
  const Seq ack{s.ack};
  // A SYN's window is never scaled (RFC 7323 §2.2).
  const std::uint32_t wnd = std::uint32_t{s.wnd}
                            << ((s.flags & wire::syn) != 0 ? 0 : t.snd_scale());
  const unsigned bits = ack_bits(t, ack);
  if (t.has(Flag::data_ready)) c.stream(t).heard_at = c.clock.tick.value;
  std::uint32_t acked = ack - t.snd_una;
  const bool duplicate = acked == 0 && wnd == t.snd_wnd && s.len() == 0;  // RFC 5681 §2
  const bool opened = update_wnd && t.snd_wnd == 0 && wnd > 0;
  if (update_wnd) {
    // The first text may come with a smaller window than the handshake's, which counts too.
    if (wnd < t.snd_wnd && s.payload_length != 0) prepare_data(c, t);
    t.snd_wnd = wnd;
    if (t.has(Flag::data_ready)) {
      c.stream(t).max_snd_wnd = std::max(c.stream(t).max_snd_wnd, wnd);
      t.snd_wl1 = Seq{s.seq};
      t.snd_wl2 = ack;
    }
  }
  if (acked == 0) {
    if (t.snd_wnd == 0) answered(c, t);
    if (!t.has(Flag::data_ready) || t.snd_una == t.snd_nxt) return 0;
    if (opened) {
      resend(c, index);
    } else {
      on_ack(c, index, s, frame, {.duplicate = duplicate && t.snd_wnd != 0});
    }
    return 0;
  }
  t.snd_una = ack;
  if ((bits & fast_ack_of_syn) != 0) {
    syn_acknowledged(c, t, s);
    --acked;
    if (t.has(Flag::data_ready)) c.stream(t).backoff = 0;
  }
  t.retries = 0;
  const std::uint32_t sequence = acked;
  if ((bits & fast_ack_of_fin) != 0) --acked;
  if (t.has(Flag::data_ready) && sequence > 0) {
    on_ack(c, index, s, frame, {.data = acked, .sequence = sequence});
  }
  restart_timer(c, index);
  return bits;
}

std::uint32_t accept_payload(Context& c, Tcb& t, const Frame& frame,
                             std::span<const std::byte> payload) {
  prepare_data(c, t);
  Stream& stream = c.stream(t);
  stream.rcv_mss = std::max(stream.rcv_mss, static_cast<std::uint16_t>(payload.size()));
  const bool plenty = !are_blocks_short(c);
  const std::uint32_t most = plenty ? recv_buffer(c, t) : recv_share(c, t);
  make_room(c, t.recv, payload.size(), most);
  const BlockCount counted(c.buffers, stream.recv_blocks);
  // A frame that is kept takes a block, however little it brings: of a share of two blocks three
  // segments would not find room. Where blocks are short the bytes are packed.
  c.frame_kept = plenty && c.buffers.keep(t.recv, frame, payload, most);
  const auto taken = static_cast<std::uint32_t>(
      c.frame_kept ? payload.size() : c.buffers.append(t.recv, payload, most));
  if (taken < payload.size()) c.count_drop(Drop::tcp_recv_full);
  t.rcv_nxt += taken;
  return taken;
}

}  // namespace salut::tcp
