// TIME_WAIT, RFC 9293 §3.10.7.4 with RFC 1337, RFC 1122 §4.2.2.13 and RFC 6191.
//
// A connection waits as a record in the arena, or as its TCB where that is not possible yet; what a
// segment means to it is one function for both.
#include "tcp/addresses.hpp"
#include "tcp/input.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/raise.hpp"
#include "tcp/reply.hpp"
#include "tcp/timers.hpp"
#include "tcp/timestamps.hpp"
#include "wire/options.hpp"

namespace salut::tcp {
namespace {

// What is left of a connection in TIME_WAIT.
struct Rest {
  Seq snd_nxt;
  Seq rcv_nxt;
  std::uint16_t wnd;   // as the header carries it
  std::uint8_t scale;  // of `wnd`
  bool timestamps;     // were agreed
  std::uint32_t ts_recent;
};

// RFC 1122 §4.2.2.13 (b): the new ISS lies beyond anything the old connection could have sent.
constexpr std::uint32_t old_window = 65'535;

bool is_stamped(const wire::Segment& s) { return (s.options & wire::option_has_timestamps) != 0; }

// RFC 6191 §2: a SYN whose timestamp is newer cannot be an old duplicate, wherever its sequence
// lies; without timestamps on both sides of the comparison the sequence must be beyond what we
// received. Where only the new connection has timestamps, PAWS will keep the old one's segments
// out.
bool is_newer(const Context& c, const Rest& rest, const wire::Segment& s) {
  const bool beyond = Seq{s.seq} > rest.rcv_nxt;
  if (!c.config.timestamps || !is_stamped(s)) return beyond;
  if (!rest.timestamps || is_older_stamp(rest.ts_recent, s.tsval)) return true;
  return s.tsval == rest.ts_recent && beyond;
}

// RFC 7323 §5.3 R1. TS.Recent cannot be outdated: 2MSL is at most two hours.
bool paws_rejects(const Rest& rest, const wire::Segment& s) {
  return rest.timestamps && is_stamped(s) && (s.flags & (wire::rst | wire::syn)) == 0 &&
         is_older_stamp(s.tsval, rest.ts_recent);
}

// RFC 5961 §5: an ACK of what was sent, and not too old. All was acknowledged when TIME_WAIT began;
// a segment that was under way then may say less.
bool has_good_ack(const Rest& rest, const wire::Segment& s) {
  const Seq ack{s.ack};
  return (s.flags & wire::ack) != 0 && ack <= rest.snd_nxt && ack >= rest.snd_nxt - old_window;
}

StateEvent event_of(const Context& c, const Rest& rest, const wire::Segment& s) {
  const Seq seq{s.seq};
  if ((s.flags & wire::rst) != 0) return StateEvent::reset;
  if ((s.flags & wire::syn) != 0) {
    const bool opens = (s.flags & wire::ack) == 0 && is_newer(c, rest, s);
    return opens ? StateEvent::syn : StateEvent::syn_other;
  }
  if (paws_rejects(rest, s)) return StateEvent::outside;
  const bool fin = (s.flags & wire::fin) != 0;
  // The FIN that was received, once more. It counts with an ACK that its sender can have sent; a
  // guess of the sequence alone must not start 2MSL again, nor move TS.Recent.
  if (fin && has_good_ack(rest, s) && seq + s.len() == rest.rcv_nxt) return StateEvent::fin_again;
  if (!acceptable(seq, s.len(), rest.rcv_nxt, std::uint32_t{rest.wnd} << rest.scale)) {
    return StateEvent::outside;
  }
  if ((s.flags & wire::ack) == 0) return StateEvent::other;
  if (!has_good_ack(rest, s)) return StateEvent::ack_bad;
  return fin ? StateEvent::fin : StateEvent::other;
}

// RFC 7323 §4.3: may TS.Recent follow? All was acknowledged when TIME_WAIT began.
bool moves_ts_recent(const Rest& rest, const wire::Segment& s, StateEvent event) {
  return rest.timestamps && is_stamped(s) && Seq{s.seq} <= rest.rcv_nxt &&
         (event == StateEvent::fin_again || event == StateEvent::fin ||
          (event == StateEvent::other && (s.flags & wire::ack) != 0));
}

// The ACK that a cell asks for. Answers to empty segments are limited, or two sides could answer
// each other for ever. `may` says whether this connection may answer one now.
template <class MayAnswer>
void answer(Context& c, const Rest& rest, const wire::Segment& s, const Frame& frame,
            const Cell& cell, const MayAnswer& may) {
  const bool challenge = (cell.acts & Act::send_challenge) != 0;
  const bool plain = (cell.acts & Act::send_ack) != 0;
  if (!challenge && !plain) return;
  const bool empty = s.len() == 0;
  if (empty && !may()) return c.count_drop(Drop::tcp_challenge_limited);
  if (challenge) ++c.counters.challenge_acks;
  wire::OptionBytes options;
  std::size_t size = 0;
  if (rest.timestamps) {
    const std::uint32_t clock =
        c.clock.now_ms + c.isn.tuple(s.key, whole_addresses(s, frame)).ts_offset;
    size =
        wire::emit_options(options, {.timestamps = true, .tsval = clock, .tsecr = rest.ts_recent});
  }
  reply(c, s, frame, rest.snd_nxt, rest.rcv_nxt, wire::ack, rest.wnd, {options.data(), size});
}

// The listener that would take a newer SYN, or none.
std::uint16_t listener_for(const Context& c, const wire::Segment& s, const Frame& frame) {
  return c.listeners.find(local_address(s.key, whole_addresses(s, frame)), s.key.local_port);
}

void count(Context& c, const Rest& rest, const wire::Segment& s, StateEvent event) {
  if (event == StateEvent::reset) c.count_drop(Drop::tcp_bad_reset);
  if (event == StateEvent::outside) {
    c.count_drop(paws_rejects(rest, s) ? Drop::tcp_paws : Drop::tcp_out_of_window);
  }
  if (event == StateEvent::ack_bad) c.count_drop(Drop::tcp_bad_ack);
  if (event == StateEvent::other && s.payload_length > 0) c.count_drop(Drop::tcp_after_fin);
  if (event == StateEvent::other && (s.flags & wire::ack) == 0) c.count_drop(Drop::tcp_no_ack);
  if (event == StateEvent::syn_other) c.count_drop(Drop::tcp_unexpected_syn);
}

// Two answers a second for each record, as for a connection (answer_limit.hpp): the moment of the
// last one in units of 537 ms, from 1 on. They wrap after 68 s; at the worst one answer is
// withheld.
bool may_answer(flow::Record& record, Tick now) {
  constexpr unsigned unit_shift = 9;
  constexpr std::uint32_t units = 127;
  const std::uint32_t moment = (now.value >> unit_shift) % units + 1;
  if (record.answered == moment) return false;
  record.answered = moment & 0x7fu;
  return true;
}

}  // namespace

void input_time_wait(Context& c, std::uint32_t at, const wire::Segment& s, const Frame& frame) {
  flow::Record& record = c.time_wait[at];
  Rest rest{Seq{record.snd_nxt},
            Seq{record.rcv_nxt},
            record.rcv_wnd,
            static_cast<std::uint8_t>(record.flags & record_scale),
            (record.flags & record_timestamps) != 0,
            record.ts_recent};
  StateEvent event = event_of(c, rest, s);
  std::uint16_t listener = flow::Listeners::none;
  if (event == StateEvent::syn) listener = listener_for(c, s, frame);
  if (event == StateEvent::syn && listener == flow::Listeners::none) event = StateEvent::syn_other;
  if (moves_ts_recent(rest, s, event)) rest.ts_recent = record.ts_recent = s.tsval;
  const Cell& cell = raise(State::time_wait, event);
  count(c, rest, s, event);
  answer(c, rest, s, frame, cell, [&] { return may_answer(record, c.clock.tick); });
  if ((cell.acts & Act::arm_2msl) != 0) {
    c.time_wait.restart(at, tick_after(c.clock.now, 2 * c.config.msl));
  }
  if ((cell.acts & Act::new_child) != 0) {
    // The old connection makes room only for a new one: a full backlog does not cut 2MSL short.
    const Seq beyond = rest.snd_nxt + old_window;
    if (!open_passive(c, listener, s, frame, cell, &beyond)) return;
    c.flows.erase(s.hash, at | time_wait_bit);
    c.time_wait.kill(at);
    --c.counters.states[static_cast<std::size_t>(State::time_wait)];
    ++c.counters.time_wait_reused;
  }
}

void input_time_wait_tcb(Context& c, std::uint32_t index, const wire::Segment& s,
                         const Frame& frame) {
  Tcb& t = c.tcbs[index];
  Rest rest{t.snd_nxt,
            t.rcv_nxt,
            t.wnd_field(),
            static_cast<std::uint8_t>(t.rcv_scale()),
            t.has(Flag::timestamps),
            t.ts_recent};
  StateEvent event = event_of(c, rest, s);
  std::uint16_t listener = flow::Listeners::none;
  // Unread bytes are still somebody's: only a connection whose owner was told of its end makes
  // room.
  const bool reusable = t.has(Flag::closed_reported);
  if (event == StateEvent::syn && reusable) listener = listener_for(c, s, frame);
  if (event == StateEvent::syn && listener == flow::Listeners::none) event = StateEvent::syn_other;
  if (moves_ts_recent(rest, s, event)) {
    rest.ts_recent = t.ts_recent = s.tsval;
    t.ts_recent_at = c.clock.epoch;
  }
  const Cell& cell = raise(State::time_wait, event);
  count(c, rest, s, event);
  answer(c, rest, s, frame, cell,
         [&] { return c.answers.allow(index, t.generation, Answer::challenge, c.clock.tick); });
  if ((cell.acts & Act::arm_2msl) != 0) set_timer(c, index, 2 * c.config.msl);
  if ((cell.acts & Act::new_child) != 0) {
    const Seq beyond = rest.snd_nxt + old_window;
    if (!open_passive(c, listener, s, frame, cell, &beyond)) return;
    ++c.counters.time_wait_reused;
    release(c, index, Reason::closed);
  }
}

}  // namespace salut::tcp
