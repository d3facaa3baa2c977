#include "tcp/output.hpp"

#include <algorithm>
#include <array>

#include "tcp/lifecycle.hpp"
#include "tcp/rtt.hpp"
#include "wire/emit.hpp"
#include "wire/options.hpp"

namespace salut::tcp {
namespace {

// Segments of one connection per turn: others want to send too.
constexpr unsigned segments_per_turn = 64;

// The window to offer. The right edge moves only by a worthwhile step (RFC 9293 §3.8.6.2.2, silly
// window avoidance) and never back.
std::uint16_t offer_window(const Context& c, Tcb& t) {
  const std::uint32_t queued = t.has(Flag::data_ready) ? t.recv.bytes : 0;
  const std::uint32_t room = c.config.recv_buffer - std::min(c.config.recv_buffer, queued);
  const Seq edge = t.rcv_nxt + room;
  const std::uint32_t step = std::min<std::uint32_t>(c.config.recv_buffer / 2, t.mss);
  if (edge > t.rcv_adv && edge - t.rcv_adv >= step) t.rcv_adv = edge;
  return static_cast<std::uint16_t>(std::min<std::uint32_t>(t.rcv_wnd(), 65'535));
}

void emit(Context& c, Tcb& t, Seq seq, std::uint8_t flags, std::uint16_t wnd, Frame& frame,
          std::span<const std::byte> options, std::uint16_t payload) {
  stack::Neighbours& neighbours = c.links.neighbours();
  frame.port = neighbours.port(t.neighbour);
  const bool known = neighbours.resolved(t.neighbour);
  wire::emit_tcp(frame, wire::TcpOut{.key = t.key,
                                     .src_mac = c.links.interface(frame.port).mac,
                                     .dst_mac = known ? neighbours.mac(t.neighbour) : wire::Mac{},
                                     .seq = seq.value,
                                     .ack = (flags & wire::ack) != 0 ? t.rcv_nxt.value : 0,
                                     .wnd = wnd,
                                     .flags = flags,
                                     .ip_id = c.ip_id++,
                                     .payload_length = payload,
                                     .options = options});
  ++c.counters.segments_out;
  c.links.send_via(t.neighbour, frame, c.now);
}

void emit_control(Context& c, Tcb& t, Seq seq, std::uint8_t flags) {
  Frame frame;
  if (!c.links.acquire(frame)) return;
  const std::uint16_t wnd = (flags & wire::rst) != 0 ? std::uint16_t{0} : offer_window(c, t);
  emit(c, t, seq, flags, wnd, frame, {}, 0);
  t.clear(Flag::ack_pending | Flag::window_update);
}

void start_timer(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  if (t.timer_at == 0) set_timer(c, index, rto_after(c.config, rto_base(c, t), t.retries));
}

// One data segment from `position`; the FIN with it if `fin`. False: no frame was to be had.
bool emit_data(Context& c, Tcb& t, Seq position, std::uint16_t n, bool fin, bool push) {
  Frame frame;
  if (!c.links.acquire(frame)) return false;
  if (n > 0) {
    c.buffers.copy(t.send, c.stream(t).cursor, position - data_start(t),
                   {wire::payload_at(frame, 0), std::size_t{n}});
  }
  std::uint8_t flags = wire::ack;
  if (push) flags |= wire::psh;
  if (fin) flags |= wire::fin;
  emit(c, t, position, flags, offer_window(c, t), frame, {}, n);
  t.clear(Flag::ack_pending | Flag::window_update);
  return true;
}

// Accounts for `n` bytes (and a FIN) that have just left from `position`.
void advance_position(Context& c, Tcb& t, Seq position, std::uint32_t n, bool fin) {
  const Seq next = position + (n + (fin ? 1u : 0u));
  if (fin) t.set(Flag::fin_sent);
  if (t.has(Flag::data_ready)) {
    Stream& stream = c.stream(t);
    if (t.has(Flag::rewound)) {
      stream.mark = next;
      if (next >= t.snd_nxt) {
        t.clear(Flag::rewound);
        stream.timed_at = 0;
      }
    } else if (n > 0 && stream.timed_at == 0) {
      stream.mark = position;
      stream.timed_at = static_cast<std::uint32_t>(c.now.time_since_epoch().count() / 1000) | 1;
    }
  }
  if (next > t.snd_nxt) t.snd_nxt = next;
}

bool output_data(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  bool sent = false;
  for (unsigned i = 0;; ++i) {
    const Seq position = send_position(c, t);
    const Seq end = data_end(t);
    const bool fin_due = t.has(Flag::fin_wanted) && position <= end;
    const std::uint32_t left = position < end ? end - position : 0;
    if (left == 0 && !fin_due) break;
    if (i == segments_per_turn) {
      c.queue_output(index);
      break;
    }
    const std::uint32_t window =
        t.has(Flag::data_ready) ? std::min(t.snd_wnd, c.stream(t).cwnd) : t.snd_wnd;
    const std::uint32_t flight = position - t.snd_una;
    std::uint32_t usable = window > flight ? window - flight : 0;
    if (usable == 0 && t.has(Flag::probe) && flight == 0) usable = 1;
    const auto n = static_cast<std::uint16_t>(std::min({left, std::uint32_t{t.mss}, usable}));
    const bool fin = fin_due && n == left;
    if (n == 0 && !fin) break;
    // Sender silly window avoidance: wait for room for a whole segment, unless nothing is in
    // flight whose ACK would bring it.
    if (n < left && n < t.mss && flight > 0) break;
    if (!emit_data(c, t, position, n, fin, n == left && n > 0)) break;
    advance_position(c, t, position, n, fin);
    sent = true;
  }
  t.clear(Flag::probe);
  // In flight: retransmission. Nothing in flight but bytes left: the window is shut, persist.
  if (t.snd_una != t.snd_nxt || data_end(t) != t.snd_una) start_timer(c, index);
  return sent;
}

constexpr bool may_send_data(State state) {
  return state == State::established || state == State::close_wait || state == State::fin_wait_1 ||
         state == State::closing || state == State::last_ack;
}

}  // namespace

void output_syn(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  t.clear(Flag::emit_syn);
  start_timer(c, index);
  Frame frame;
  if (!c.links.acquire(frame)) return;  // the timer tries again
  const auto port = c.links.neighbours().port(t.neighbour);
  wire::OptionBytes options;
  const std::size_t size = wire::emit_options(
      options, {.mss = static_cast<std::uint16_t>(c.links.interface(port).mtu - 40)});
  const bool answer = t.state != State::syn_sent;
  const auto flags = static_cast<std::uint8_t>(wire::syn | (answer ? wire::ack : 0));
  const std::uint16_t wnd =
      answer ? offer_window(c, t)
             : static_cast<std::uint16_t>(std::min<std::uint32_t>(c.config.recv_buffer, 65'535));
  emit(c, t, t.snd_una, flags, wnd, frame, {options.data(), size}, 0);
  t.clear(Flag::ack_pending);
}

void output_ack(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  emit_control(c, t, t.snd_nxt, wire::ack);
}

void output_reset(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  ++c.counters.resets_sent;
  emit_control(c, t, t.snd_nxt, wire::rst | wire::ack);
}

void output(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  t.clear(Flag::queued);
  if (t.ending != 0) {
    if ((t.ending & ending_reset) != 0) output_reset(c, index);
    release(c, index, static_cast<Reason>(t.ending & ending_reason));
    return;
  }
  if (t.state == State::closed || t.state == State::time_wait) {
    if (reader_done(c, index) == Fate::gone) return;
  }
  if (t.state == State::closed) return;
  if (t.has(Flag::emit_syn)) {
    output_syn(c, index);
    return;
  }
  const bool sent = may_send_data(t.state) && !t.has(Flag::syn_unacked) && output_data(c, index);
  if (!sent && t.has(Flag::ack_pending | Flag::window_update)) {
    emit_control(c, t, t.snd_nxt, wire::ack);
  }
}

void flush_outputs(Context& c) {
  unsigned left = std::min<std::uint32_t>(c.outputs.size(), output_budget);
  while (left > 0) {
    if (left > 4) __builtin_prefetch(&c.tcbs[c.outputs.peek(4)]);
    output(c, c.outputs.pop());
    --left;
  }
}

void rewind(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  prepare_data(c, t);
  const std::uint32_t flight = t.snd_nxt - t.snd_una;
  Stream& stream = c.stream(t);
  stream.ssthresh = std::max<std::uint32_t>(flight / 2, 2u * t.mss);  // RFC 5681 (4)
  stream.cwnd = t.mss;
  t.set(Flag::rewound);
  stream.mark = t.snd_una;
  stream.cursor = stack::Cursor{};
  stream.timed_at = 0;  // Karn
  c.queue_output(index);
}

void reply(Context& c, const wire::Segment& segment, const Frame& received, Seq seq, Seq ack,
           std::uint8_t flags, std::uint16_t wnd) {
  wire::EthernetHeader ethernet;
  std::memcpy(&ethernet, received.data, sizeof(ethernet));
  Frame frame;
  if (!c.links.acquire(frame)) return;
  frame.port = received.port;
  wire::emit_tcp(frame, wire::TcpOut{.key = segment.key,
                                     .src_mac = c.links.interface(received.port).mac,
                                     .dst_mac = ethernet.source,
                                     .seq = seq.value,
                                     .ack = ack.value,
                                     .wnd = wnd,
                                     .flags = flags,
                                     .ip_id = c.ip_id++,
                                     .options = {}});
  ++c.counters.segments_out;
  c.links.stage(frame);
}

void reply_reset(Context& c, const wire::Segment& segment, const Frame& received) {
  ++c.counters.resets_sent;
  if ((segment.flags & wire::ack) != 0) {
    reply(c, segment, received, Seq{segment.ack}, Seq{}, wire::rst, 0);
  } else {
    reply(c, segment, received, Seq{}, Seq{segment.seq} + segment.len(), wire::rst | wire::ack, 0);
  }
}

}  // namespace salut::tcp
