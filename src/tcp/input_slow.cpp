// RFC 9293 §3.10.7 as it is written: each check in its order, each answer from the table.
#include <algorithm>

#include "tcp/input.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/options.hpp"
#include "tcp/output.hpp"
#include "tcp/reassembly.hpp"
#include "tcp/reply.hpp"
#include "tcp/shares.hpp"
#include "tcp/socket_options.hpp"
#include "tcp/stream_setup.hpp"
#include "tcp/timestamps.hpp"
#include "tcp/transmit.hpp"
#include "tcp/window.hpp"

namespace salut::tcp {
namespace {

using wire::Segment;

// The largest window that the peer ever offered (RFC 5961 §5, MAX.SND.WND). Before the first byte
// either way nothing but our SYN can be old.
std::uint32_t max_snd_wnd(const Context& c, const Tcb& t) {
  return t.has(Flag::data_ready) ? std::max(c.stream(t).max_snd_wnd, t.snd_wnd) : t.snd_wnd;
}

void answer_with_ack(Context& c, std::uint32_t index) {
  c.tcbs[index].set(Flag::ack_pending);
  c.queue_output(index);
}

// Moves the connection by an event of this segment. False: it is gone.
bool apply(Context& c, std::uint32_t index, StateEvent event, const Segment& s, const Frame& frame,
           unsigned what = 0) {
  return apply_event(c, index, event, {.segment = &s, .frame = &frame, .what = what}).fate ==
         Fate::alive;
}

// The peer holds an older connection of these ports, in TIME_WAIT perhaps. Our RST has ended it:
// the SYN is repeated at once, and not after an RTO (Linux: TCP_TIMEOUT_MIN). The timer goes on as
// it is. Twice a second at most, for those who let no RST end their TIME_WAIT (RFC 1337), and for
// ACKs that somebody forges.
void repeat_syn(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  if (t.has(Flag::emit_syn)) return;  // it has not left yet
  if (!c.answers.allow(index, t.generation, Answer::challenge, c.clock.tick)) return;
  ++c.counters.retransmits;
  t.set(Flag::emit_syn | Flag::syn_again);
  c.queue_output(index);
}

// The CLOSE that was called in SYN_SENT with data to send: it is due as soon as the peer has
// answered, in ESTABLISHED or SYN_RECEIVED.
bool apply_queued_close(Context& c, std::uint32_t index, const Segment& s, const Frame& frame) {
  if (!c.tcbs[index].has(Flag::fin_wanted)) return true;
  if (!apply(c, index, StateEvent::close, s, frame)) return false;
  if (c.tcbs[index].has(Flag::user_closed)) watch_orphan(c, index);
  return true;
}

// §3.10.7.3
void input_syn_sent(Context& c, std::uint32_t index, const Segment& s, const Frame& frame) {
  Tcb& t = c.tcbs[index];
  const bool ack = (s.flags & wire::ack) != 0;
  const Seq seg_ack{s.ack};
  // First, ACK: it must acknowledge our SYN and nothing that was never sent.
  const bool ack_good = ack && t.snd_una < seg_ack && seg_ack <= t.snd_nxt;
  if (ack && !ack_good && (s.flags & wire::rst) == 0) {
    c.count_drop(Drop::tcp_older_connection);
    const bool older = (s.flags & wire::syn) == 0;
    if (apply(c, index, StateEvent::ack_bad, s, frame) && older) repeat_syn(c, index);
    return;
  }
  // Second, RST: only with a good ACK can it be an answer to us.
  if ((s.flags & wire::rst) != 0) {
    if (!ack_good) c.count_drop(Drop::tcp_bad_reset);
    if (ack_good) ++c.counters.resets_received;
    apply(c, index, ack_good ? StateEvent::reset : StateEvent::reset_bad, s, frame);
    return;
  }
  // Third, security: not used. Fourth, SYN.
  if ((s.flags & wire::syn) == 0) {
    c.count_drop(Drop::tcp_no_ack);
    apply(c, index, StateEvent::other, s, frame);
    return;
  }
  // Our SYN has said so; without one, which only a simultaneous open can overtake, it says nothing.
  const std::uint32_t offered = t.rcv_wnd() != 0 ? t.rcv_wnd() : syn_window(recv_buffer(c, t));
  t.rcv_nxt = Seq{s.seq} + 1;
  if (t.has(Flag::data_ready)) c.origins[index].received = t.rcv_nxt;
  t.rcv_adv = t.rcv_nxt + offered;
  t.snd_wnd = s.wnd;
  agree_options(c, t, s);
  if (ack) {
    accept_ack(c, index, s, frame, true);
    if (!apply(c, index, StateEvent::syn_ack, s, frame)) return;
    if (!apply_queued_close(c, index, s, frame)) return;
    if (s.len() > 1) accept_text_and_fin(c, index, s, frame);
  } else {
    if (s.payload_length > 0) c.count_drop(Drop::tcp_syn_text);
    if (apply(c, index, StateEvent::syn, s, frame)) apply_queued_close(c, index, s, frame);
  }
}

// What lies before RCV.NXT came twice (RFC 2883 §4).
void note_old(Context& c, Tcb& t, const Segment& s) {
  const Seq seq{s.seq};
  begin_duplicates(c, t);
  if (s.payload_length == 0 || (s.flags & wire::syn) != 0 || seq >= t.rcv_nxt) return;
  const Seq end = seq + s.payload_length;
  note_duplicate(c, t, seq, end < t.rcv_nxt ? end : t.rcv_nxt);
}

// The peer's SYN once more, in SYN_RECEIVED. It lies before the window and is trimmed off
// (§3.10.7.4, first check). What is left of a segment without ACK, a FIN among it, is dropped
// (fifth check), and the peer is sent our SYN,ACK again. A SYN,ACK is a simultaneous open's: it
// acknowledges ours as well, and the text and the FIN that it brings are taken. A listener's peer
// does not send those.
void repeat_of_syn(Context& c, std::uint32_t index, const Segment& s, const Frame& frame) {
  Tcb& t = c.tcbs[index];
  const bool completes =
      (s.flags & wire::ack) != 0 && Seq{s.ack} == t.snd_nxt && !t.has(Flag::passive);
  update_ts_recent(c, t, s);
  if (completes) accept_ack(c, index, s, frame, true);
  if (!apply(c, index, completes ? StateEvent::syn_ack : StateEvent::syn_again, s, frame)) return;
  if (completes && s.len() > 1) accept_text_and_fin(c, index, s, frame);
}

// §3.10.7.4, first check. False: the segment was answered or dropped.
bool check_sequence(Context& c, std::uint32_t index, const Segment& s, const Frame& frame) {
  Tcb& t = c.tcbs[index];
  // RFC 7323 §5.3 R1, before all else: an old duplicate may lie in the window of a wrapped
  // sequence. An RST is not held to it.
  if (paws_rejects(c, t, s) && (s.flags & wire::rst) == 0) {
    c.count_drop(Drop::tcp_paws);
    if (s.len() != 0 || c.may_answer(index, Answer::outside)) {
      apply(c, index, StateEvent::outside, s, frame);
    }
    return false;
  }
  const bool syn = (s.flags & wire::syn) != 0;
  // Before the window: with text behind it the old SYN would reach in and pass for another one.
  const bool repeats_syn = syn && Seq{s.seq} + 1 == t.rcv_nxt && t.state == State::syn_received;
  if (repeats_syn && (s.flags & wire::rst) == 0) {
    repeat_of_syn(c, index, s, frame);
    return false;
  }
  // Of an RST only its place counts, whatever text it brings (RFC 5961 §3.2).
  const std::uint32_t len = (s.flags & wire::rst) != 0 ? 0 : s.len();
  if (acceptable(Seq{s.seq}, len, t.rcv_nxt, t.rcv_wnd())) return true;
  if ((s.flags & wire::rst) != 0) {
    c.count_drop(Drop::tcp_bad_reset);
    apply(c, index, StateEvent::reset_bad, s, frame);
    return false;
  }
  // RFC 5961 §4: answered the same wherever its sequence lies.
  if (syn && t.state != State::syn_received) return true;
  // A window that is used up still lets ACKs through, whether it is shut (§3.10.7.4: special
  // allowance) or all of it lies behind a hole: the SND.NXT of a peer that filled it is its edge,
  // or one past it after a probe that was not taken, a byte or a FIN.
  const std::uint32_t past = Seq{s.seq} - t.rcv_nxt;
  const bool at_edge = s.len() == 0 ? past - t.rcv_wnd() <= 1 : past == 0 && t.rcv_wnd() == 0;
  if (at_edge && (s.flags & wire::ack) != 0) return true;
  // A bare ACK from just before RCV.NXT. It may be a keepalive's probe, and is answered; or the
  // peer stays at the edge of a window that has opened since, and has not seen that we took the
  // byte or the FIN beyond it: then what it acknowledges counts, or neither side would ever hear
  // the other.
  const bool bare = s.len() == 0 && (s.flags & (wire::rst | wire::ack)) == wire::ack;
  c.count_drop(Drop::tcp_out_of_window);
  if (bare && past == 0xffff'ffff) {
    if (!c.may_answer(index, Answer::probe)) return false;
    answer_with_ack(c, index);
    // One segment, one answer: an ACK that would draw another is not looked at.
    return Seq{s.ack} >= t.snd_una && Seq{s.ack} <= t.snd_nxt;
  }
  const Seq end = Seq{s.seq} + s.len();
  const bool fin_again =
      (s.flags & wire::fin) != 0 && t.has(Flag::fin_received) && end == t.rcv_nxt;
  // Two sides that both think the other is out of window must not answer each other for ever.
  if (s.len() == 0 && !c.may_answer(index, Answer::outside)) return false;
  // Another SYN for a child that nobody has completed. Its first one may have been sent in this
  // peer's name by somebody else, whose MAC the child has: the answer goes to where this one came
  // from, so that a peer that knows of no such connection resets it and begins anew.
  if (syn && c.interfaces.neighbours().is_link(t.neighbour)) {
    reply(c, s, frame, t.snd_nxt, t.rcv_nxt, wire::ack, t.wnd_field());
    return false;
  }
  if (t.has(Flag::data_ready)) note_old(c, t, s);
  apply(c, index, fin_again ? StateEvent::fin_again : StateEvent::outside, s, frame);
  return false;
}

// Second and fourth check: RST and SYN in the window (RFC 5961 §3, §4). False: done.
bool check_reset_and_syn(Context& c, std::uint32_t index, const Segment& s, const Frame& frame) {
  Tcb& t = c.tcbs[index];
  const bool passive = t.has(Flag::passive);
  if ((s.flags & wire::rst) != 0) {
    if (Seq{s.seq} == t.rcv_nxt) {
      ++c.counters.resets_received;
      apply(c, index, passive ? StateEvent::reset_passive : StateEvent::reset, s, frame);
    } else {
      c.count_drop(Drop::tcp_bad_reset);
      apply(c, index, StateEvent::reset_near, s, frame);
    }
    return false;
  }
  if ((s.flags & wire::syn) != 0) {
    c.count_drop(Drop::tcp_unexpected_syn);
    apply(c, index, passive ? StateEvent::syn_other_passive : StateEvent::syn_other, s, frame);
    return false;
  }
  return true;
}

// Fifth check. False: done with this segment.
bool check_ack(Context& c, std::uint32_t index, const Segment& s, const Frame& frame,
               unsigned& bits) {
  Tcb& t = c.tcbs[index];
  if ((s.flags & wire::ack) == 0) {
    c.count_drop(Drop::tcp_no_ack);
    return false;
  }
  const Seq ack{s.ack};
  // What it overtook is older: only SND.WL1 tells.
  if (Seq{s.seq} > t.rcv_nxt) prepare_data(c, t);
  if (t.has(Flag::syn_unacked)) {
    if (t.snd_una < ack && ack <= t.snd_nxt) {
      bits = accept_ack(c, index, s, frame, true);
      return true;
    }
    c.count_drop(Drop::tcp_bad_ack);
    apply(c, index, StateEvent::ack_bad, s, frame);
    return false;
  }
  // RFC 5961 §5: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT
  if (ack > t.snd_nxt || ack < t.snd_una - max_snd_wnd(c, t)) {
    c.count_drop(Drop::tcp_bad_ack);
    apply(c, index, StateEvent::ack_bad, s, frame);
    return false;
  }
  if (ack >= t.snd_una) bits = accept_ack(c, index, s, frame, is_newest(t, s));
  return true;
}

// The part of the payload that lies in the window.
struct Text {
  const std::byte* data = nullptr;
  std::uint32_t size = 0;
  Seq at;             // of its first byte: RCV.NXT, or beyond it
  bool whole = true;  // its end is the segment's end: a FIN may follow
  bool cut = false;   // what lies beyond the window is not there
};

Text trim(const Context& c, const Tcb& t, const Segment& s, const Frame& frame) {
  // A SYN,ACK may bring text: it follows the SYN (§3.10.7.3, fourth check).
  const Seq seq = Seq{s.seq} + ((s.flags & wire::syn) != 0 ? 1u : 0u);
  Text text{frame.data + s.payload_offset, s.payload_length, seq};
  if (seq < t.rcv_nxt) {
    const std::uint32_t old = std::min<std::uint32_t>(t.rcv_nxt - seq, text.size);
    text.data += old;
    text.size -= old;
    text.at = t.rcv_nxt;
  }
  const std::uint32_t offset = text.at - t.rcv_nxt;
  std::uint32_t room = t.rcv_wnd() > offset ? t.rcv_wnd() - offset : 0;
  text.cut = text.size > room;
  room = std::min(room, until_kept_fin(c, t, text.at));
  if (text.size > room) {
    text.size = room;
    text.whole = false;
  }
  return text;
}

constexpr bool takes_data(State state) {
  return state == State::syn_received || state == State::established ||
         state == State::fin_wait_1 || state == State::fin_wait_2;
}

// RFC 3168 §6.1.3: CE is echoed until the peer says that it has reduced its window.
void note_congestion(Context& c, Tcb& t, const Segment& s) {
  if (!t.has(Flag::ecn)) return;
  const bool marked = (s.traffic_class & 3) == 3;
  if (!marked && ((s.flags & wire::cwr) == 0 || !t.has(Flag::data_ready))) return;
  prepare_data(c, t);
  c.stream(t).ece = marked;
}

// close_gently(): the peer may say what it likes until its FIN.
bool discards_text(const Context& c, const Tcb& t) {
  return t.has(Flag::user_closed) && t.has(Flag::data_ready) && c.stream(t).has(discards);
}

// Seventh check, for a state that takes data. Returns what is reported to the application.
unsigned accept_text(Context& c, Tcb& t, const Segment& s, const Frame& frame, const Text& text) {
  note_old(c, t, s);
  if (text.size == 0) return 0;
  if (text.at != t.rcv_nxt) {
    const std::uint32_t kept = keep_island(c, t, text.at, text.data, text.size);
    if (kept > 0) {
      ++c.counters.reordered;
    } else {
      c.count_drop(Drop::tcp_not_kept);
    }
    return 0;
  }
  if (discards_text(c, t)) {
    t.rcv_nxt += text.size;
    drain_islands(c, t);
    const BlockCount counted(c.buffers, c.stream(t).recv_blocks);
    c.buffers.clear(t.recv);
    return 0;
  }
  const std::uint32_t taken = accept_payload(c, t, frame, {text.data, text.size});
  drain_islands(c, t);
  return taken > 0 ? unsigned{salut::Event::readable} : 0u;
}

}  // namespace

void accept_text_and_fin(Context& c, std::uint32_t index, const Segment& s, const Frame& frame) {
  Tcb& t = c.tcbs[index];
  // Sixth, URG: the pointer is not followed, the bytes are ordinary data. Seventh, text.
  const Text text = trim(c, t, s, frame);
  unsigned what = 0;
  const bool open = takes_data(t.state) && !t.has(Flag::fin_received);
  if (open && text.size > 0 && t.has(Flag::user_closed) && !discards_text(c, t)) {
    // RFC 1122 §4.2.2.13: the sender learns that what it sends is lost.
    c.count_drop(Drop::tcp_after_close);
    // The reset goes where the peer looks for it, whether our FIN was lost or not.
    apply_event(c, index, StateEvent::abort, {.segment = &s, .frame = &frame});
    return;
  }
  // What is not plainly the next text is answered at once: it tells of a gap, closes one, or came
  // twice (RFC 5681 §4.2).
  const bool gaps = t.has(Flag::gaps);
  const bool plain = open && text.size == s.len() && text.at == t.rcv_nxt && text.size > 0;
  // One ACK per segment beyond a gap, not one for a whole burst: a peer without SACK counts them,
  // and of several one arrives.
  const bool counted = open && text.size > 0 && text.at != t.rcv_nxt;
  if (counted && t.has(Flag::ack_pending | Flag::ack_delayed)) output_ack(c, index);
  if (open) what |= accept_text(c, t, s, frame, text);
  if (open && text.cut) c.count_drop(Drop::tcp_recv_full);
  if (!open && text.size > 0) c.count_drop(Drop::tcp_after_fin);
  const bool all_taken = plain && t.rcv_nxt - text.at == text.size;
  if (s.len() > 0) t.set(all_taken && !gaps ? Flag::ack_delayed : Flag::ack_pending);
  // Eighth, FIN: once all before it has come.
  const Seq fin_at = Seq{s.seq} + (s.len() - 1);
  bool fin = false;
  if (open && (s.flags & wire::fin) != 0 && text.whole) {
    if (fin_at == t.rcv_nxt) {
      fin = t.rcv_wnd() > 0;
    } else if (fin_at > t.rcv_nxt && fin_at - t.rcv_nxt < t.rcv_wnd()) {
      keep_fin(c, t, fin_at);
    }
  }
  fin = (open && take_fin(c, t)) || fin;
  if (plain && !fin && is_quick_ack_due(c, t)) output_ack(c, index);
  if (fin) {
    t.rcv_nxt += 1;
    t.set(Flag::fin_received);
    if (t.has(Flag::gaps)) drop_islands(c, t);
    if (!apply(c, index, StateEvent::fin, s, frame, what)) return;
  } else if (what != 0 && !t.has(Flag::closed_reported)) {
    c.post_event(index, what);
  }
  if (has_output(t)) c.queue_output(index);
}

void input_slow(Context& c, std::uint32_t index, const Segment& s, const Frame& frame) {
  Tcb& t = c.tcbs[index];
  if (t.state == State::closed) return;  // aborted by the application, gone with the next turn
  if (t.state == State::syn_sent) return input_syn_sent(c, index, s, frame);
  if (t.state == State::time_wait) return input_time_wait_tcb(c, index, s, frame);

  if (!check_sequence(c, index, s, frame)) return;       // first
  if (!check_reset_and_syn(c, index, s, frame)) return;  // second; third is not used; fourth
  unsigned bits = 0;
  if (!check_ack(c, index, s, frame, bits)) return;  // fifth
  // Not before: who can guess a sequence number but no ACK must not move TS.Recent ahead, or PAWS
  // would reject the peer's own segments.
  update_ts_recent(c, t, s);

  if ((bits & fast_ack_of_syn) != 0 && !apply(c, index, StateEvent::ack_of_syn, s, frame)) return;
  if ((bits & fast_ack_of_fin) != 0 && !apply(c, index, StateEvent::ack_of_fin, s, frame)) return;
  if (t.state == State::time_wait) return;
  note_congestion(c, t, s);
  accept_text_and_fin(c, index, s, frame);
}

}  // namespace salut::tcp
