// What is_predicted() says, and the usual SYN,ACK: the short way in.
#include <algorithm>

#include "tcp/addresses.hpp"
#include "tcp/congestion/congestion.hpp"
#include "tcp/input.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/options.hpp"
#include "tcp/output.hpp"
#include "tcp/rtt.hpp"
#include "tcp/sender.hpp"
#include "tcp/shares.hpp"
#include "tcp/stream_setup.hpp"
#include "tcp/timers.hpp"
#include "tcp/transmit.hpp"

namespace salut::tcp {
namespace {

using wire::Segment;

// What every segment brings beside its ACK and its text.
[[gnu::always_inline]] inline void note_header(const Context& c, Tcb& t, const Segment& s) {
  if (t.has(Flag::timestamps) && t.last_ack_sent == t.rcv_nxt) {
    t.ts_recent = s.tsval;
    t.ts_recent_at = c.clock.epoch;
  }
  t.snd_wnd = std::uint32_t{s.wnd} << t.snd_scale();
}

// The end: the FIN, the transition, what is to be sent.
[[gnu::always_inline]] inline void conclude(Context& c, std::uint32_t index, unsigned bits,
                                            unsigned what) {
  Tcb& t = c.tcbs[index];
  if ((bits & fast_fin) != 0) {
    t.rcv_nxt += 1;
    t.set(Flag::fin_received | Flag::ack_pending);
  }
  if (apply_fast(c, index, bits, what) == Fate::gone) return;
  if (has_output(t)) c.queue_output(index);
}

// The ACK of a flight that left without a loss, to a connection with a Stream.
void flight_acknowledged(Context& c, Tcb& t, Stream& stream, std::uint32_t data,
                         std::uint32_t flight) {
  if (data > 0) {
    const BlockCount counted(c.buffers, stream.send_blocks);
    c.buffers.consume(t.send, data, &stream.cursor);
  }
  if (stream.timed_at != 0 && t.snd_una > stream.mark) {
    rtt_sample(stream, now_us(c) - stream.timed_at);
    stream.timed_at = 0;
  }
  if (data > 0 && (stream.has(cwnd_limited) || 2 * flight > stream.cwnd)) {
    slow_start(stream, data);
  }
  stream.probe_at = 0;
}

// To or from a connection with data.
[[gnu::noinline]] bool accept_data(Context& c, std::uint32_t index, const Segment& s,
                                   const Frame& frame) {
  Tcb& t = c.tcbs[index];
  const std::uint32_t payload = s.payload_length;
  const std::uint32_t fin = s.flags & wire::fin;
  if (t.has(Flag::data_ready)) {
    const Stream& stream = c.stream(t);
    bool other = stream.recovery != no_recovery || stream.backoff != 0 || stream.lent != 0;
    other |= t.has(Flag::syn_unacked) || !is_newest(t, s);
    if (other) return false;
  } else if ((std::uint32_t{s.wnd} << t.snd_scale()) < t.snd_wnd) {
    return false;  // the handshake's window was the largest, and counts too
  }
  note_header(c, t, s);
  Stream* stream = nullptr;
  if (t.has(Flag::data_ready)) {
    stream = &c.stream(t);
    stream->heard_at = c.clock.tick.value;
    stream->max_snd_wnd = std::max(stream->max_snd_wnd, t.snd_wnd);
    t.snd_wl1 = Seq{s.seq};
    t.snd_wl2 = Seq{s.ack};
  }
  unsigned bits = 0;
  if (t.snd_una != t.snd_nxt) {
    bits = ack_bits(t, t.snd_nxt);
    const std::uint32_t flight = t.snd_nxt - t.snd_una;
    t.snd_una = t.snd_nxt;
    if ((bits & fast_ack_of_syn) != 0) syn_acknowledged(c, t, s);
    if (stream != nullptr) {
      flight_acknowledged(c, t, *stream, flight - ((bits & fast_ack_of_fin) != 0 ? 1u : 0u),
                          flight);
    }
    t.retries = 0;
    clear_timer(t);
  }
  unsigned what = 0;
  bool whole = true;
  if (payload != 0) {
    const std::uint32_t taken =
        accept_payload(c, t, frame, {frame.data + s.payload_offset, payload});
    if (taken > 0) what |= salut::Event::readable;
    whole = taken == payload;
    t.set(whole ? Flag::ack_delayed : Flag::ack_pending);
    if (fin == 0 && is_quick_ack_due(c, t)) output_ack(c, index);
  }
  bits |= whole ? fin * fast_fin : 0u;
  conclude(c, index, bits, what);
  return true;
}

}  // namespace

void syn_acknowledged(Context& c, Tcb& t, const Segment& s) {
  if (t.retries > 0) t.set(Flag::syn_repeated);
  on_ack_of_syn(c, t, s);
  t.clear(Flag::syn_unacked | Flag::emit_syn);
  if (t.has(Flag::passive)) half_open_ends(c, t);
}

bool accept_predicted(Context& c, std::uint32_t index, const Segment& s, const Frame& frame) {
  Tcb& t = c.tcbs[index];
  if (t.has(Flag::data_ready) || s.payload_length != 0) return accept_data(c, index, s, frame);
  note_header(c, t, s);
  unsigned bits = (s.flags & wire::fin) * fast_fin;
  if (t.snd_una != t.snd_nxt) {
    bits |= ack_bits(t, t.snd_nxt);
    t.snd_una = t.snd_nxt;
    if ((bits & fast_ack_of_syn) != 0) syn_acknowledged(c, t, s);
    t.retries = 0;
    clear_timer(t);
  }
  conclude(c, index, bits, 0);
  return true;
}

bool accept_usual_syn_ack(Context& c, std::uint32_t index, const Segment& s, const Frame& frame) {
  constexpr unsigned offered = Flag::timestamps | Flag::sack | Flag::scaling;
  constexpr unsigned special = Flag::data_ready | Flag::ecn | Flag::fin_wanted;
  constexpr unsigned usual =
      wire::option_has_timestamps | wire::option_has_sack_permitted | wire::option_has_window_scale;
  Tcb& t = c.tcbs[index];
  bool off = t.state != State::syn_sent || t.key != s.key || s.ip6 != t.has(Flag::ip6);
  off |= s.flags != (wire::syn | wire::ack) || s.payload_length != 0 || s.options != usual;
  off |= s.ack != t.snd_nxt.value || (t.flags & (offered | special)) != offered;
  off |= t.rcv_wnd() == 0 || s.wnd == 0;
  if (off || (s.ip6 && !same_connection(c, index, s.key, whole_addresses(s, frame)))) return false;
  const std::uint32_t wnd = t.rcv_wnd();  // our SYN has said so
  t.rcv_nxt = Seq{s.seq} + 1;
  t.rcv_adv = t.rcv_nxt + wnd;
  t.snd_wnd = s.wnd;
  agree_options(c, t, s);
  t.snd_una = t.snd_nxt;
  syn_acknowledged(c, t, s);
  t.retries = 0;
  clear_timer(t);
  apply_event(c, index, StateEvent::syn_ack, {.segment = &s, .frame = &frame});
  return true;
}

}  // namespace salut::tcp
