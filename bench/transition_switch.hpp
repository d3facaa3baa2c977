// The alternative to the table of transitions: what one writes who has no table, a switch over
// states and events, and the checks of a segment as if-statements in the order of the RFC.
// tests/bench/transition_test.cpp holds it against every cell of the golden table and every
// segment on the fast path.
#pragma once

#include "tcp/input.hpp"

namespace salut::bench {

struct Outcome {
  State to = State::closed;
  std::uint16_t acts = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// clang-format off: a case a line

// What `event` does in `from`.
inline Outcome switch_step(State from, tcp::StateEvent event) {
  using enum State;
  using tcp::StateEvent;
  using A = tcp::Act;
  const auto stays = [from](unsigned acts = 0) {
    return Outcome{from, static_cast<std::uint16_t>(acts)};
  };
  const auto goes = [](State to, unsigned acts = 0) {
    return Outcome{to, static_cast<std::uint16_t>(acts)};
  };
  switch (from) {
    case closed:
      switch (event) {
        case StateEvent::open_passive: return goes(listen);
        case StateEvent::open_active: return goes(syn_sent, A::send_syn);
        case StateEvent::close:
        case StateEvent::abort: return stays(A::error);
        case StateEvent::reset:
        case StateEvent::reset_passive:
        case StateEvent::reset_near:
        case StateEvent::reset_bad:
        case StateEvent::rto:
        case StateEvent::retries_out:
        case StateEvent::retries_out_passive:
        case StateEvent::idle_limit:
        case StateEvent::timeout_2msl: return stays();
        default: return stays(A::send_rst);
      }
    case listen:
      switch (event) {
        case StateEvent::open_passive: return stays(A::error);
        case StateEvent::open_active: return goes(syn_sent, A::send_syn);
        case StateEvent::close:
        case StateEvent::abort: return goes(closed, A::release);
        case StateEvent::syn: return goes(syn_received, A::send_syn_ack | A::new_child);
        case StateEvent::ack_of_syn: return goes(syn_received, A::new_child);
        case StateEvent::syn_ack:
        case StateEvent::ack_of_fin:
        case StateEvent::ack_bad: return stays(A::send_rst);
        default: return stays();
      }
    case syn_sent:
      switch (event) {
        case StateEvent::open_passive:
        case StateEvent::open_active: return stays(A::error);
        case StateEvent::close:
        case StateEvent::abort:
        case StateEvent::reset:
        case StateEvent::reset_passive:
        case StateEvent::retries_out:
        case StateEvent::retries_out_passive: return goes(closed, A::release);
        case StateEvent::syn: return goes(syn_received, A::send_syn_ack);
        case StateEvent::syn_ack: return goes(established, A::send_ack | A::established);
        case StateEvent::ack_bad: return stays(A::send_rst);
        case StateEvent::rto: return stays(A::send_syn | A::retransmit);
        default: return stays();
      }
    case syn_received:
      switch (event) {
        case StateEvent::open_passive:
        case StateEvent::open_active: return stays(A::error);
        case StateEvent::close: return goes(fin_wait_1, A::send_fin);
        case StateEvent::abort: return goes(closed, A::send_rst | A::release);
        case StateEvent::syn:
        case StateEvent::syn_other:
        case StateEvent::reset_near: return stays(A::send_challenge);
        case StateEvent::syn_again: return stays(A::send_syn_ack);
        case StateEvent::syn_other_passive:
        case StateEvent::reset_passive:
        case StateEvent::retries_out_passive: return goes(listen, A::release);
        case StateEvent::syn_ack:
        case StateEvent::ack_of_syn: return goes(established, A::established);
        case StateEvent::ack_bad: return stays(A::send_rst);
        case StateEvent::fin: return goes(close_wait, A::send_ack | A::peer_closed);
        case StateEvent::fin_again:
        case StateEvent::outside: return stays(A::send_ack);
        case StateEvent::reset:
        case StateEvent::retries_out: return goes(closed, A::release);
        case StateEvent::rto: return stays(A::send_syn_ack | A::retransmit);
        default: return stays();
      }
    case time_wait:
      switch (event) {
        case StateEvent::open_passive:
        case StateEvent::open_active: return stays(A::error);
        case StateEvent::abort:
        case StateEvent::timeout_2msl: return goes(closed, A::release);
        case StateEvent::syn: return goes(syn_received, A::send_syn_ack | A::new_child);
        case StateEvent::syn_other:
        case StateEvent::syn_other_passive:
        case StateEvent::syn_ack:
        case StateEvent::outside: return stays(A::send_ack);
        case StateEvent::ack_bad: return stays(A::send_challenge);
        case StateEvent::fin:
        case StateEvent::fin_again: return stays(A::send_ack | A::arm_2msl);
        default: return stays();
      }
    default: break;
  }
  // The synchronized states: what is the same in all of them, then each one's own.
  switch (event) {
    case StateEvent::open_passive:
    case StateEvent::open_active: return stays(A::error);
    case StateEvent::syn:
    case StateEvent::syn_again:
    case StateEvent::syn_other:
    case StateEvent::syn_other_passive:
    case StateEvent::syn_ack:
    case StateEvent::ack_bad:
    case StateEvent::reset_near: return stays(A::send_challenge);
    case StateEvent::fin_again:
    case StateEvent::outside: return stays(A::send_ack);
    case StateEvent::reset:
    case StateEvent::reset_passive: return goes(closed, A::release);
    default: break;
  }
  switch (from) {
    case established:
      switch (event) {
        case StateEvent::close: return goes(fin_wait_1, A::send_fin);
        case StateEvent::abort: return goes(closed, A::send_rst | A::release);
        case StateEvent::fin: return goes(close_wait, A::send_ack | A::peer_closed);
        case StateEvent::rto: return stays(A::retransmit);
        case StateEvent::retries_out:
        case StateEvent::retries_out_passive: return goes(closed, A::release);
        default: return stays();
      }
    case fin_wait_1:
      switch (event) {
        case StateEvent::abort: return goes(closed, A::send_rst | A::release);
        case StateEvent::ack_of_syn: return stays(A::established);
        case StateEvent::ack_of_fin: return goes(fin_wait_2);
        case StateEvent::fin: return goes(closing, A::send_ack | A::peer_closed);
        case StateEvent::rto: return stays(A::send_fin | A::retransmit);
        case StateEvent::retries_out:
        case StateEvent::retries_out_passive: return goes(closed, A::release);
        default: return stays();
      }
    case fin_wait_2:
      switch (event) {
        case StateEvent::abort: return goes(closed, A::send_rst | A::release);
        case StateEvent::fin: return goes(time_wait, A::send_ack | A::arm_2msl | A::peer_closed);
        case StateEvent::idle_limit: return goes(closed, A::release);
        default: return stays();
      }
    case close_wait:
      switch (event) {
        case StateEvent::close: return goes(last_ack, A::send_fin);
        case StateEvent::abort: return goes(closed, A::send_rst | A::release);
        case StateEvent::fin: return stays(A::send_ack);
        case StateEvent::rto: return stays(A::retransmit);
        case StateEvent::retries_out:
        case StateEvent::retries_out_passive: return goes(closed, A::release);
        default: return stays();
      }
    case closing:
      switch (event) {
        case StateEvent::abort: return goes(closed, A::release);
        case StateEvent::ack_of_syn: return stays(A::established);
        case StateEvent::ack_of_fin: return goes(time_wait, A::arm_2msl);
        case StateEvent::fin: return stays(A::send_ack);
        case StateEvent::rto: return stays(A::send_fin | A::retransmit);
        case StateEvent::retries_out:
        case StateEvent::retries_out_passive: return goes(closed, A::release);
        default: return stays();
      }
    case last_ack:
      switch (event) {
        case StateEvent::abort: return goes(closed, A::release);
        case StateEvent::ack_of_fin: return goes(closed, A::release);
        case StateEvent::fin: return stays(A::send_ack);
        case StateEvent::rto: return stays(A::send_fin | A::retransmit);
        case StateEvent::retries_out:
        case StateEvent::retries_out_passive: return goes(closed, A::release);
        default: return stays();
      }
    default: return stays();
  }
}

// clang-format on

// A segment on the fast path, in the order of RFC 9293 §3.10.7.4. False: it is not on it.
inline bool switch_segment(const tcp::Tcb& t, const wire::Segment& s, Outcome& out) {
  using tcp::Flag;
  if ((s.flags & wire::rst) != 0) return false;
  if ((s.flags & wire::syn) != 0) return false;
  if ((s.flags & wire::urg) != 0) return false;
  if ((s.flags & wire::ack) == 0) return false;
  switch (t.state) {
    case State::closed:
    case State::listen:
    case State::syn_sent:
    case State::time_wait:
      return false;
    default:
      break;
  }
  // First, the sequence number; what else is expected of it in order.
  if (Seq{s.seq} != t.rcv_nxt) return false;
  if (s.len() > t.rcv_wnd()) return false;
  if (s.len() > 0 && t.has(Flag::fin_received)) return false;
  if (s.payload_length > 0 && t.has(Flag::user_closed)) return false;
  if (t.has(Flag::ecn) && tcp::ecn_speaks(s)) return false;
  if (t.has(Flag::gaps)) return false;
  // Fifth, the ACK.
  const std::uint32_t acked = Seq{s.ack} - t.snd_una;
  if (acked > t.snd_nxt - t.snd_una) return false;
  out = Outcome{t.state, 0};
  const auto raise = [&out](tcp::StateEvent event) {
    const Outcome next = switch_step(out.to, event);
    out = Outcome{next.to, static_cast<std::uint16_t>(out.acts | next.acts)};
  };
  if (t.has(Flag::syn_unacked)) {
    if (acked == 0) return false;
    raise(tcp::StateEvent::ack_of_syn);
  }
  if (acked > 0 && t.has(Flag::fin_sent) && Seq{s.ack} == t.snd_nxt) {
    raise(tcp::StateEvent::ack_of_fin);
  }
  // Eighth, the FIN.
  if ((s.flags & wire::fin) != 0 && out.to != State::closed) raise(tcp::StateEvent::fin);
  return true;
}

}  // namespace salut::bench
