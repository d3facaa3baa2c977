#include "tcp/output.hpp"

#include <algorithm>
#include <array>

#include "tcp/lifecycle.hpp"
#include "tcp/sender.hpp"
#include "tcp/timers.hpp"
#include "tcp/transmit.hpp"
#include "tcp/window.hpp"

namespace salut::tcp {
namespace {

// An ACK of data in order may wait for company, but not for more than two segments' worth, nor
// while the peer's slow start depends on our ACKs (RFC 9293 §3.8.6.3, RFC 5681 §4.2).
bool may_delay_ack(const Context& c, const Tcb& t) {
  const Stream& stream = c.stream(t);
  return c.config.delayed_ack.count() != 0 && stream.quick_acks == 0 &&
         t.rcv_nxt - t.last_ack_sent < 2u * stream.rcv_mss;
}

void delay_ack(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  if (!may_delay_ack(c, t)) {
    if (stream.quick_acks > 0) --stream.quick_acks;
    emit_control(c, t, ack_seq(t), wire::ack);
  } else if (stream.ack_at == 0) {
    set_deadline(c, index, stream.ack_at, c.config.delayed_ack);
  }
}

constexpr bool may_send_data(State state) {
  return state == State::established || state == State::close_wait || state == State::fin_wait_1 ||
         state == State::closing || state == State::last_ack;
}

// RFC 9293 §3.10.4: CLOSE in SYN_RECEIVED without data sends the FIN at once, before our SYN is
// acknowledged.
bool fin_may_leave(const Tcb& t) {
  return t.has(Flag::fin_wanted) && !t.has(Flag::fin_sent) &&
         (!t.has(Flag::data_ready) || t.send.bytes == 0);
}

// Quiet time (RFC 9293 §3.4.3), if it is configured: within one MSL of the start no SYN of ours
// leaves, whatever asked for it. An answer to a peer's is not held.
bool is_held(const Context& c, const Tcb& t) {
  return c.config.quiet_time && t.state == State::syn_sent &&
         c.clock.now < c.clock.started + c.config.msl;
}

// Of a connection without data that has lost nothing: its FIN, or an ACK.
void output_bare(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  const bool fin = t.has(Flag::fin_wanted) && !t.has(Flag::fin_sent) && may_send_data(t.state);
  if (fin || t.snd_una != t.snd_nxt) start_timer(c, index);
  if (fin) {
    Frame frame;
    if (!c.interfaces.acquire(frame)) return;
    emit_segment(
        c, t, frame,
        {.seq = t.snd_nxt.value, .wnd = offer_window(c, t), .flags = wire::ack | wire::fin});
    t.snd_nxt += 1;
    t.set(Flag::fin_sent);
  } else if (t.has(Flag::ack_pending | Flag::window_update)) {
    emit_control(c, t, ack_seq(t), wire::ack);
  }
}

}  // namespace

bool is_quick_ack_due(const Context& c, const Tcb& t) {
  const Stream& stream = c.stream(t);
  constexpr std::uint16_t small = 536;  // what is less is no bulk
  return stream.quick_acks > 0 &&
         t.rcv_nxt - t.last_ack_sent >= 2u * std::max(stream.rcv_mss, small);
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
    if (is_held(c, t)) [[unlikely]]
      return set_timer(c, index, c.clock.started + c.config.msl - c.clock.now);
    output_syn(c, index);
    return;
  }
  if (!t.has(Flag::data_ready | Flag::rewound) && !c.long_way) [[likely]]
    return output_bare(c, index);
  // A gap is told of in an ACK of its own: beside a full segment there is no room for SACK, and one
  // with data is no duplicate ACK (RFC 5681 §2).
  if (t.has(Flag::gaps) && t.has(Flag::ack_pending)) emit_control(c, t, ack_seq(t), wire::ack);
  const bool sent = may_send_data(t.state) && (!t.has(Flag::syn_unacked) || fin_may_leave(t)) &&
                    ((t.has(Flag::data_ready) && send_single(c, index)) || send_data(c, index));
  if (sent) return;
  if (t.has(Flag::ack_pending | Flag::window_update)) {
    emit_control(c, t, ack_seq(t), wire::ack);
  } else if (t.has(Flag::ack_delayed)) {
    delay_ack(c, index);
  }
}

bool flush_outputs(Context& c, bool more_to_receive) {
  constexpr unsigned blocked_max = 256;  // looked at in vain
  const unsigned ports = c.interfaces.count();
  const std::uint32_t waiting = c.outputs.size();
  const unsigned budget = more_to_receive ? ports * output_budget_behind : output_budget;
  unsigned blocked = 0;
  for (unsigned left = std::min<std::uint32_t>(waiting, budget); left > 0; --left) {
    if (left > 8) {
      const Tcb* next = &c.tcbs[c.outputs.peek(8)];
      __builtin_prefetch(next, 1);
      __builtin_prefetch(&next->send, 1);
    }
    if (left > 4) {
      const Tcb& next = c.tcbs[c.outputs.peek(4)];
      if (next.has(Flag::data_ready)) c.streams.prefetch(next.stream);
    }
    const Tcb& t = c.tcbs[c.outputs.peek(0)];
    const bool over = t.ending != 0 || t.state == State::closed || t.state == State::time_wait;
    if (over || c.interfaces.has_room_for_output(c.interfaces.neighbours().port(t.neighbour),
                                                 c.clock.now)) [[likely]] {
      output(c, c.outputs.pop());
    } else if (ports == 1 || ++blocked == blocked_max) {
      return true;
    } else {
      c.outputs.push(c.outputs.pop());  // others may leave by another port
    }
  }
  return blocked > 0 || waiting > budget;
}

}  // namespace salut::tcp
