#include "tcp/loss.hpp"

#include <algorithm>

#include "tcp/congestion/congestion.hpp"
#include "tcp/rack.hpp"
#include "tcp/rtt.hpp"
#include "tcp/timers.hpp"
#include "tcp/timestamps.hpp"
#include "wire/options.hpp"

namespace salut::tcp {
namespace {

std::uint32_t flight(const Tcb& t) { return t.snd_nxt - t.snd_una; }

// Without SACK each duplicate ACK is a segment that left the network; the head is still missing.
std::uint32_t duplicate_bytes(const Recovery& r, const Tcb& t) {
  const std::uint32_t most = flight(t) > t.mss ? flight(t) - t.mss : 0;
  return std::min(r.duplicates * t.mss, most);
}

// --- the episode ------------------------------------------------------------------------------

void begin(Context& c, const Tcb& t, Stream& stream, Recovery& r, Mode mode) {
  // One reduction per window: recovery that follows a mark, or is entered again, keeps its goal.
  if (r.mode == Mode::open) {
    r.prior_cwnd = stream.cwnd;
    r.prior_ssthresh = stream.ssthresh;
    r.prr_flight = std::max<std::uint32_t>(flight(t) - r.board.sacked(), 1);
    r.prr_delivered = r.prr_out = 0;
    stream.ssthresh = decrease(r.controller, stream, flight(t), t.mss);
    r.recover = t.snd_nxt;
    r.may_undo = mode != Mode::reduced;
    r.undo_by_time = false;
    r.undo_bytes = 0;
  }
  if (mode == Mode::recovery) ++c.counters.fast_retransmits;
  if (t.has(Flag::ecn)) stream.set(cwr_due);  // RFC 3168 §6.1.2: for whatever reason
  r.mode = mode;
}

void finish(Context& c, Tcb& t, Stream& stream, Recovery& r) {
  if (r.mode == Mode::recovery) rack_on_recovery_end(r);
  // RFC 6582 §3.2 (3): what one ACK lets go must not come as one burst.
  if (r.mode != Mode::timed_out) {
    const std::uint32_t start = initial_cwnd(c.config.initial_window, t.mss);
    stream.cwnd = std::clamp(pipe(c, t) + start, 2u * t.mss, std::max(stream.ssthresh, 2u * t.mss));
  }
  r.mode = Mode::open;
  r.frto = Frto::off;
  r.may_undo = false;
  r.duplicates = 0;
  pause(r.controller);
  // Without SACK the ranges were only for this.
  if (!t.has(Flag::sack) && r.board.active()) r.board.clear(c.ranges);
}

// Nothing was lost: everything as it was (RFC 4015, without its caution where cwnd had not grown).
void undo(Context& c, Tcb& t, Stream& stream, Recovery& r) {
  ++c.counters.spurious_recoveries;
  // What was sent again came twice, so that RACK itself could not see that it was only late.
  if (r.mode == Mode::recovery) r.reordering_seen = true;
  stream.cwnd = std::max(stream.cwnd, r.prior_cwnd);
  stream.ssthresh = r.prior_ssthresh;
  stream.backoff = 0;
  r.board.find_all(c.ranges);
  t.clear(Flag::rewound);
  r.mode = Mode::open;
  r.frto = Frto::off;
  r.may_undo = false;
  r.duplicates = 0;
  pause(r.controller);
  if (!t.has(Flag::sack) && r.board.active()) r.board.clear(c.ranges);
}

// RFC 6937, with the slow start bound only where the ACK shows that nothing more was lost.
void reduce_proportionally(const Context& c, const Tcb& t, Stream& stream, Recovery& r,
                           std::uint32_t delivered, bool progress) {
  const std::uint32_t in_network = pipe(c, t);
  r.prr_delivered += delivered;
  std::uint32_t allow = 0;
  if (in_network > stream.ssthresh) {
    const std::uint64_t due =
        (std::uint64_t{r.prr_delivered} * stream.ssthresh + r.prr_flight - 1) / r.prr_flight;
    allow = due > r.prr_out ? static_cast<std::uint32_t>(due - r.prr_out) : 0;
  } else {
    std::uint32_t limit =
        std::max(r.prr_delivered > r.prr_out ? r.prr_delivered - r.prr_out : 0, delivered);
    if (progress) limit += t.mss;
    allow = std::min(stream.ssthresh - in_network, limit);
  }
  // The first retransmission leaves whatever the arithmetic says.
  if (r.prr_out == 0) allow = std::max<std::uint32_t>(allow, t.mss);
  stream.cwnd = std::max<std::uint32_t>(in_network + allow, t.mss);
}

// --- what an ACK says -------------------------------------------------------------------------

// RFC 2883 §4: a first block below the cumulative ACK, or within the second one.
bool is_dsack(const wire::Segment& s, const Frame& frame) {
  const Seq left{wire::sack_edge(frame.data, s, 0)};
  const Seq right{wire::sack_edge(frame.data, s, 1)};
  if (right <= Seq{s.ack}) return true;
  if (s.sack_count < 2) return false;
  return left >= Seq{wire::sack_edge(frame.data, s, 2)} &&
         right <= Seq{wire::sack_edge(frame.data, s, 3)};
}

// Marks what is SACKed; true if there was a DSACK. Blocks that no receiver of ours would send,
// turned round, beyond SND.NXT or below SND.UNA, are skipped.
bool take_sacks(Context& c, const Tcb& t, Recovery& r, const wire::Segment& s, const Frame& frame,
                Delivery& delivery) {
  const Seq ack{s.ack};
  const bool dsack = is_dsack(s, frame);
  for (unsigned i = dsack ? 1 : 0; i < s.sack_count; ++i) {
    const Seq left{wire::sack_edge(frame.data, s, 2 * i)};
    const Seq right{wire::sack_edge(frame.data, s, 2 * i + 1)};
    if (left >= right || left < ack || right > t.snd_nxt || left == t.snd_una) continue;
    r.board.sack(c.ranges, left, right, delivery);
  }
  if (!dsack) return false;
  const Seq left{wire::sack_edge(frame.data, s, 0)};
  const Seq right{wire::sack_edge(frame.data, s, 1)};
  // Only what we can have sent twice: an old window at most, and some of it again.
  const std::uint32_t size = right - left;
  if (left >= right || t.snd_nxt - left > 1u << 30 || c.stream(t).retransmits == 0) return false;
  r.undo_bytes -= std::min(r.undo_bytes, size);
  return true;
}

// Duplicates and partial ACKs of a peer without SACK (RFC 5681 §3.2, RFC 6582 §3.2).
void count_duplicates(const Tcb& t, Recovery& r, const AckedBytes& acked, Delivery& delivery) {
  if (r.mode == Mode::timed_out) return;  // all of it counts as lost
  if (acked.duplicate) {
    const std::uint32_t before = duplicate_bytes(r, t);
    ++r.duplicates;
    delivery.bytes += duplicate_bytes(r, t) - before;
  } else if (acked.sequence > 0) {
    // Of the segments that it covers one was missing, the others are among the duplicates.
    const std::uint32_t others = (acked.sequence - 1) / t.mss;
    const std::uint32_t counted = std::min(others, r.duplicates);
    r.duplicates = r.mode == Mode::open ? 0 : r.duplicates - counted;
    delivery.bytes -= std::min(delivery.bytes, counted * t.mss);
  }
}

// RFC 5682 §3: did the timer fire for nothing?
void answer_to_timeout(Context& c, Tcb& t, Stream& stream, Recovery& r, const AckedBytes& acked,
                       const Delivery& delivery) {
  if (r.frto == Frto::off) return;
  // Without SACK an ACK that also covers what was sent again may be the answer to that.
  const bool proof = delivery.original > 0 &&
                     (t.has(Flag::sack) || (delivery.again == 0 && r.frto == Frto::second));
  if (proof) {
    if (delivery.timed) rtt_sample(stream, delivery.rtt);
    return undo(c, t, stream, r);
  }
  const bool could_send = data_end(t) > t.snd_nxt && t.snd_wnd >= flight(t) + t.mss;
  if (r.frto == Frto::first && acked.sequence > 0 && could_send) {
    r.frto = Frto::second;
    stream.cwnd = pipe(c, t) + 2u * t.mss;
  } else if (acked.duplicate || acked.sequence > 0 || delivery.sacked > 0) {
    if (r.frto == Frto::second) stream.cwnd = 3u * t.mss;
    r.frto = Frto::off;
  }
}

// The retransmission was unnecessary: the ACK echoes a time before it (RFC 3522), or every byte
// that was sent again arrived twice (RFC 3708).
bool was_spurious(const Tcb& t, const Recovery& r, const wire::Segment& s, const AckedBytes& acked,
                  bool dsack) {
  if (!r.may_undo || r.mode == Mode::open) return false;
  if (dsack && r.undo_by_time && r.undo_bytes == 0) return true;
  // Only an ACK of what was sent again says anything of it.
  return acked.sequence > 0 && r.undo_by_time && t.has(Flag::timestamps) &&
         Seq{s.ack} >= r.undo_end && (s.options & wire::option_has_timestamps) != 0 &&
         is_older_stamp(s.tsecr, r.undo_tsval);
}

// What is lost now; true if anything is that was not before.
bool detect(Context& c, std::uint32_t index, Recovery& r, const AckedBytes& acked) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  if (t.has(Flag::sack)) {
    if (!r.board.active()) return false;
    std::uint32_t wait = 0;
    const std::uint32_t lost = rack_detect(c, r, stream, t.mss, wait);
    if (wait > 0) {
      set_deadline(c, index, stream.probe_at, std::chrono::microseconds(wait));
      stream.clear(probe_is_tail);
    } else if (!stream.has(probe_is_tail)) {
      stream.probe_at = 0;
    }
    return lost > 0;
  }
  const bool third = r.mode == Mode::open && r.duplicates >= dup_thresh && acked.duplicate &&
                     t.snd_una > r.recover;
  const bool partial = r.mode == Mode::recovery && acked.sequence > 0;
  if (!third && !partial) return false;
  Scoreboard& board = take_scoreboard(c, t, stream);
  if (!board.lose_first(c.ranges, t.mss)) board.lose(c.ranges, board.first());
  return board.lost() > 0;
}

// An echo of a retransmission that others followed: a receiver whose ACK was lost answers the later
// copy with the time of the earlier one, and what lies between is our RTO and no round trip.
bool echoes_earlier_copy(const Recovery& r, const wire::Segment& s) {
  return r.undo_by_time && !is_older_stamp(s.tsecr, r.undo_tsval) &&
         is_older_stamp(s.tsecr, r.last_tsval);
}

// The timed segment, else what timestamps say, else anything that was sent only once.
void sample(Context& c, Tcb& t, Stream& stream, const Recovery& r, const wire::Segment& s,
            const AckedBytes& acked, const Delivery& delivery) {
  if (acked.sequence == 0) return;
  std::uint32_t rtt = 0;
  if (stream.timed_at != 0 && Seq{s.ack} > stream.mark) {
    rtt_sample(stream, now_us(c) - stream.timed_at);
    stream.timed_at = 0;
  } else if (stream.timed_at == 0 || stream.backoff > 0) {
    if (t.has(Flag::timestamps) && timestamp_rtt(c, t, s, rtt)) {
      if (!echoes_earlier_copy(r, s)) rtt_sample(stream, rtt);
    } else if (delivery.timed && delivery.again == 0) {
      rtt_sample(stream, delivery.rtt);
    }
  }
}

}  // namespace

Recovery& take_recovery(Context& c, const Tcb& t, Stream& stream) {
  if (stream.recovery == no_recovery) {
    stream.recovery = c.recoveries.acquire();
    c.recoveries[stream.recovery].recover = t.snd_una - 1;
  }
  return c.recoveries[stream.recovery];
}

void release_recovery(Context& c, Stream& stream) {
  if (stream.recovery == no_recovery) return;
  Recovery& r = c.recoveries[stream.recovery];
  r.board.clear(c.ranges);
  c.recoveries.release(stream.recovery);
  stream.recovery = no_recovery;
}

Scoreboard& take_scoreboard(Context& c, const Tcb& t, Stream& stream) {
  Recovery& r = take_recovery(c, t, stream);
  if (!r.board.active()) r.board.start(c.ranges, t.snd_una, t.snd_nxt, stream.sent_at);
  return r.board;
}

std::uint32_t pipe(const Context& c, const Tcb& t) {
  if (!t.has(Flag::data_ready)) return flight(t);
  const Stream& stream = c.stream(t);
  if (stream.recovery == no_recovery) return flight(t);
  const Recovery& r = c.recoveries[stream.recovery];
  const std::uint32_t gone = r.board.active() ? r.board.sacked() + r.board.lost() : 0;
  const std::uint32_t left = flight(t) - gone;
  return left - std::min(left, t.has(Flag::sack) ? 0 : duplicate_bytes(r, t));
}

void note_lost(Context& c, Tcb& t) {
  const Recovery& r = c.recoveries[c.stream(t).recovery];
  if (r.board.active() && r.board.lost() > 0 && r.frto != Frto::second) {
    t.set(Flag::rewound);
  } else {
    t.clear(Flag::rewound);
  }
}

void recover_on_ack(Context& c, std::uint32_t index, const wire::Segment& s, const Frame& frame,
                    const AckedBytes& acked) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  Recovery& r = take_recovery(c, t, stream);
  const Seq ack{s.ack};
  // Its block went with what was acknowledged; half a sequence space on it would seem ahead again.
  if (r.again_at <= t.snd_una) r.again_valid = false;
  const bool limited = stream.has(cwnd_limited) || (stream.cwnd < stream.ssthresh &&
                                                    2 * (flight(t) + acked.sequence) > stream.cwnd);
  Delivery delivery{.now = now_us(c), .min_rtt = stream.min_rtt, .below = r.recover};
  bool dsack = false;
  if (r.board.active()) {
    r.board.advance(c.ranges, ack, delivery);
  } else if (acked.sequence > 0) {
    delivery.add(ack - acked.sequence, ack, stream.sent_at, 0);
  }
  if (t.has(Flag::sack)) {
    if (s.sack_count > 0) {
      if (!r.board.active() && t.snd_una != t.snd_nxt) take_scoreboard(c, t, stream);
      if (r.board.active()) dsack = take_sacks(c, t, r, s, frame, delivery);
    }
    if (delivery.timed && (stream.min_rtt == 0 || delivery.rtt < stream.min_rtt)) {
      stream.min_rtt = std::max(delivery.rtt, 1u);
    }
    rack_update(r, delivery);
    if (dsack) rack_on_dsack(r, t.snd_una, t.snd_nxt);
  } else {
    count_duplicates(t, r, acked, delivery);
  }
  sample(c, t, stream, r, s, acked, delivery);

  if (t.has(Flag::ecn) && (s.flags & wire::ece) != 0) reduce(c, t, stream);
  if (tail_on_ack(r, ack, acked.duplicate && s.sack_count == 0, dsack)) {
    reduce(c, t, stream);
  }
  if (was_spurious(t, r, s, acked, dsack)) undo(c, t, stream, r);
  if (r.mode == Mode::timed_out) answer_to_timeout(c, t, stream, r, acked, delivery);
  const bool ends = r.mode != Mode::open && t.snd_una >= r.recover;
  if (ends) finish(c, t, stream, r);

  // What is lost beyond the end of an episode begins the next.
  const bool lost = detect(c, index, r, acked) || (r.board.active() && r.board.lost() > 0);
  if (lost && (r.mode == Mode::open || r.mode == Mode::reduced)) {
    begin(c, t, stream, r, Mode::recovery);
  }
  if (r.mode == Mode::recovery || r.mode == Mode::reduced) {
    if (delivery.bytes > 0 || acked.duplicate) {
      reduce_proportionally(c, t, stream, r, delivery.bytes, acked.sequence > 0);
    }
  } else if (acked.sequence > 0 && limited && !ends && r.frto == Frto::off) {
    // What SACK or duplicates told of before does not count again.
    const std::uint32_t fresh = std::min(acked.sequence, delivery.bytes);
    if (stream.cwnd < stream.ssthresh) {
      r.mode == Mode::timed_out ? slow_start_again(stream, fresh, t.mss)
                                : slow_start(stream, fresh);
    } else {
      avoid(r.controller, stream, fresh, t.mss, delivery.now);
    }
  }
  note_lost(c, t);
}

void recover_on_overdue(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  Recovery& r = take_recovery(c, t, stream);
  if (!detect(c, index, r, {})) return;
  if (r.mode == Mode::open || r.mode == Mode::reduced) begin(c, t, stream, r, Mode::recovery);
  if (r.mode == Mode::recovery) reduce_proportionally(c, t, stream, r, 0, false);
  note_lost(c, t);
}

void recover_on_timeout(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  Recovery& r = take_recovery(c, t, stream);
  Scoreboard& board = take_scoreboard(c, t, stream);
  // The receiver took back what it SACKed: the head cannot be SACKed and unacknowledged at once.
  if ((c.ranges[board.first()].bits & range_sacked) != 0) board.forget_sacks(c.ranges);
  ++c.counters.timeouts;
  const bool again = r.mode == Mode::timed_out;
  if (!again) {
    const Mode mode = r.mode;
    begin(c, t, stream, r, Mode::timed_out);
    // RFC 5682 §2: not if what is in flight was partly sent again already. Nor if the timer was
    // right before, and no sample came since: a receiver that is short of room refuses what F-RTO
    // sends beyond the hole, which makes the next one, and each would cost an RTO twice as long.
    const bool first_since_a_sample = stream.backoff <= 1;
    r.frto = mode == Mode::open && first_since_a_sample ? Frto::first : Frto::off;
  } else {
    r.frto = Frto::off;  // and ssthresh stays (RFC 5681 (4))
  }
  r.recover = t.snd_nxt;
  r.duplicates = 0;
  r.tail_out = false;
  board.lose_all(c.ranges);
  stream.cwnd = t.mss;
  stream.probe_at = 0;
  pause(r.controller);
  note_lost(c, t);
}

void lose_flight(Context& c, Tcb& t) {
  Stream& stream = c.stream(t);
  Recovery& r = take_recovery(c, t, stream);
  take_scoreboard(c, t, stream).lose_all(c.ranges);
  r.duplicates = 0;
  r.frto = Frto::off;
  note_lost(c, t);
}

void reduce(Context& c, const Tcb& t, Stream& stream) {
  Recovery& r = take_recovery(c, t, stream);
  if (r.mode != Mode::open) return;
  begin(c, t, stream, r, Mode::reduced);
}

}  // namespace salut::tcp
