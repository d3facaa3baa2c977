#include "tcp/sender.hpp"

#include <algorithm>

#include "tcp/congestion/congestion.hpp"
#include "tcp/options.hpp"
#include "tcp/rtt.hpp"
#include "tcp/timers.hpp"
#include "tcp/timestamps.hpp"
#include "tcp/transmit.hpp"
#include "tcp/window.hpp"
#include "wire/emit.hpp"

namespace salut::tcp {
namespace {

// Segments of one connection per turn: others want to send too.
constexpr unsigned segments_per_turn = 64;

constexpr std::uint8_t ect_0 = 2;  // RFC 3168 §5

struct Piece {
  Seq at;
  std::uint16_t size = 0;
  bool fin = false;
  bool push = false;
  bool again = false;
};

// One segment, its bytes taken from `cursor`, which stands at piece.at. False: no frame was to be
// had.
bool emit_piece(Context& c, Tcb& t, const Piece& piece, Cursor* cursor) {
  Frame frame;
  if (!c.interfaces.acquire(frame)) return false;
  const std::size_t size = t.has(Flag::timestamps) ? timestamps_size : 0;
  std::uint8_t flags = wire::ack;
  std::uint8_t traffic_class = 0;
  if (piece.size > 0) {
    c.buffers.copy(t.send, *cursor, piece.at - data_start(t),
                   {wire::payload_at(frame, size, t.has(Flag::ip6)), std::size_t{piece.size}});
    // Only what is new may be marked by the path (RFC 3168 §6.1.5).
    if (t.has(Flag::ecn) && !piece.again) {
      traffic_class = ect_0;
      Stream& stream = c.stream(t);
      if (stream.has(cwr_due)) flags |= wire::cwr;
      stream.clear(cwr_due);
    }
  }
  if (piece.push) flags |= wire::psh;
  if (piece.fin) flags |= wire::fin;
  emit_segment(c, t, frame,
               {.seq = piece.at.value,
                .wnd = offer_window(c, t),
                .payload_length = piece.size,
                .flags = flags,
                .traffic_class = traffic_class});
  return true;
}

// --- again ------------------------------------------------------------------------------------

// What stands in [at, end) as one segment: at most mss and `most` bytes, and the FIN if it is in
// there.
Piece piece_of(const Tcb& t, Seq at, Seq end, std::uint32_t most) {
  const Seq bytes_end = data_end(t);
  const Seq last = end < bytes_end ? end : bytes_end;
  const std::uint32_t bytes = at < last ? last - at : 0;
  Piece piece{.at = at, .again = true};
  piece.size = static_cast<std::uint16_t>(std::min({bytes, std::uint32_t{t.mss}, most}));
  piece.fin = t.has(Flag::fin_sent) && end > bytes_end && at + piece.size == bytes_end;
  piece.push = piece.size > 0 && at + piece.size == bytes_end;
  return piece;
}

// The cursor of retransmissions, moved to `at`: what is lost is sent again from low to high, so
// that an episode walks the send buffer once.
Cursor* seek_again(Context& c, const Tcb& t, Recovery& r, Seq at) {
  if (r.again_valid && r.again_at <= at && r.again_at > t.snd_una) {
    c.buffers.skip(t.send, r.again, at - r.again_at);
  } else {
    r.again = Cursor{};
  }
  r.again_valid = true;
  r.again_at = at;
  return &r.again;
}

bool send_again(Context& c, Tcb& t, Recovery& r, const Piece& piece) {
  Cursor* cursor = seek_again(c, t, r, piece.at);
  if (!emit_piece(c, t, piece, cursor)) return false;
  r.again_at = piece.at + piece.size;
  r.again_valid = piece.size > 0;
  const std::uint32_t size = piece.size + (piece.fin ? 1u : 0u);
  if (!r.undo_by_time) {
    r.undo_by_time = true;
    r.undo_tsval = our_timestamp(c, t);
    r.undo_end = piece.at + size;
  }
  r.last_tsval = our_timestamp(c, t);
  r.undo_bytes += size;
  r.prr_out += size;
  ++c.counters.retransmits;
  ++c.stream(t).retransmits;
  c.stream(t).timed_at = 0;  // Karn
  return true;
}

// What is lost, from the lowest on, as far as cwnd goes. RFC 9293 §3.8.6.1: a window that shrank
// holds back what lies beyond it, but never the first byte.
bool send_lost(Context& c, std::uint32_t index, unsigned& budget) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  Recovery& r = c.recoveries[stream.recovery];
  std::uint32_t in_network = pipe(c, t);
  bool sent = false;
  while (r.board.active() && r.board.lost() > 0 && budget > 0) {
    const std::uint32_t lost = r.board.next_lost(c.ranges);
    const Range& range = c.ranges[lost];
    const std::uint32_t offset = range.begin - t.snd_una;
    const std::uint32_t window = t.snd_wnd > offset ? t.snd_wnd - offset : 0;
    if (window == 0 && offset > 0) break;
    const Piece piece = piece_of(t, range.begin, range.end, std::max(window, 1u));
    if (in_network > 0 && in_network + piece.size > stream.cwnd) break;
    if (!send_again(c, t, r, piece)) break;
    const std::uint32_t size = piece.size + (piece.fin ? 1u : 0u);
    r.board.sent_again(c.ranges, lost, size, now_us(c));
    in_network += size;
    --budget;
    sent = true;
  }
  note_lost(c, t);
  if (budget == 0) c.queue_output(index);
  return sent;
}

// A FIN that is alone in flight on a connection without data.
bool send_bare_fin(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  const bool again = t.has(Flag::rewound);
  if (!again && (!t.has(Flag::fin_wanted) || t.has(Flag::fin_sent))) return false;
  if (!emit_piece(c, t, Piece{.at = again ? t.snd_una : t.snd_nxt, .fin = true}, nullptr)) {
    return false;
  }
  if (again) {
    ++c.counters.retransmits;
  } else {
    t.snd_nxt += 1;
  }
  t.set(Flag::fin_sent);
  t.clear(Flag::rewound);
  return true;
}

// --- new --------------------------------------------------------------------------------------

// RFC 5681 §4.1: after an idle RTO nothing is known of the path.
void restart_after_idle(Context& c, const Tcb& t, Stream& stream) {
  const std::uint32_t start = initial_cwnd(c.config.initial_window, t.mss);
  if (stream.cwnd <= start || stream.srtt == 0) return;
  // Microseconds wrap after 72 minutes, and a connection may be silent for so long, and a moment;
  // of what is all acknowledged the peer was heard since.
  const auto idle = std::chrono::microseconds(now_us(c) - stream.sent_at);
  const Duration silent{std::int64_t{c.clock.tick.value - stream.heard_at} << tick_shift};
  if (std::max<Duration>(idle, silent) <= rto(c, t)) return;
  stream.cwnd = start;
  if (stream.recovery != no_recovery) pause(c.recoveries[stream.recovery].controller);
}

// May `n` bytes, fewer than a segment, leave? RFC 9293 §3.8.6.2.1.
bool may_send_small(const Tcb& t, const Stream& stream, std::uint32_t n, std::uint32_t left,
                    bool fin) {
  if (n < left) {
    // More is there but the window is not: half of the largest that the peer ever offered is worth
    // a segment, and in the end the override timer has its way.
    return n >= (stream.max_snd_wnd + 1) / 2 || stream.has(override_due);
  }
  // Nagle as Minshall has it: only one small segment is unacknowledged at a time, so that the end
  // of what was written does not wait for the ACK of the segments before it.
  const std::uint32_t beyond = stream.small_end - t.snd_una;  // of 2^31 bytes ago: far beyond all
  const bool waits = beyond != 0 && beyond <= t.snd_nxt - t.snd_una;
  return fin || stream.has(no_delay) || !waits;
}

// Will another segment leave behind the one in hand, with so much left to send?
bool may_follow(const Tcb& t, const Stream& stream, std::uint32_t left, std::uint32_t window,
                std::uint32_t room) {
  const std::uint32_t n = std::min({left, std::uint32_t{t.mss}, window});
  if (n == 0 || n > room) return false;
  const bool fin = t.has(Flag::fin_wanted) && n == left;
  return n == t.mss || may_send_small(t, stream, n, left, fin);
}

// Accounts for the new bytes, FIN included, that left in this turn from `first` on.
void note_sent(Context& c, Tcb& t, Stream& stream, Seq first, std::uint32_t bytes) {
  const std::uint32_t now = now_us(c);
  const bool alone = first == t.snd_una;
  if (stream.recovery != no_recovery) {
    Recovery& r = c.recoveries[stream.recovery];
    if (r.mode == Mode::recovery || r.mode == Mode::reduced) r.prr_out += t.snd_nxt - first;
  }
  if (!alone) {
    const bool tracked = t.has(Flag::sack) && bytes > 0 && now != stream.sent_at;
    const bool active =
        stream.recovery != no_recovery && c.recoveries[stream.recovery].board.active();
    if (tracked && !active) {
      Recovery& r = take_recovery(c, t, stream);
      r.board.start(c.ranges, t.snd_una, first, stream.sent_at);
    }
    if (tracked || active) {
      c.recoveries[stream.recovery].board.append(c.ranges, t.snd_nxt, now, t.has(Flag::sack));
    }
  }
  if (bytes > 0 || alone) stream.sent_at = now;
  if (bytes > 0) {
    if (stream.timed_at == 0) {
      stream.mark = first;
      stream.timed_at = now;
    }
  }
}

bool send_new(Context& c, std::uint32_t index, unsigned& budget) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  const Seq first = t.snd_nxt;
  const Seq end = data_end(t);
  const bool fin_due = t.has(Flag::fin_wanted) && !t.has(Flag::fin_sent);
  if (!(first < end) && !fin_due) return false;
  stream.max_snd_wnd = std::max(stream.max_snd_wnd, t.snd_wnd);
  if (first == t.snd_una) restart_after_idle(c, t, stream);
  const std::uint32_t in_network = pipe(c, t);
  std::uint32_t room = stream.cwnd > in_network ? stream.cwnd - in_network : 0;
  const std::uint32_t flight = first - t.snd_una;
  std::uint32_t window = t.snd_wnd > flight ? t.snd_wnd - flight : 0;
  if (t.has(Flag::probe) && flight == 0 && window == 0) window = 1;
  stream.clear(cwnd_limited);
  bool fin = false;
  bool alone = false;  // the FIN, without data
  while (t.snd_nxt < end || (fin_due && !fin)) {
    const std::uint32_t left = end - t.snd_nxt;
    if (budget == 0) {
      c.queue_output(index);
      break;
    }
    const std::uint32_t n = std::min({left, std::uint32_t{t.mss}, window});
    fin = fin_due && n == left;
    if (n > room) {  // never a part of it: what cwnd lacks comes with the next ACK
      stream.set(cwnd_limited);
      fin = false;
      break;
    }
    if (n == 0 && !fin) break;
    if (n < t.mss && n > 0 && !t.has(Flag::probe) && !may_send_small(t, stream, n, left, fin)) {
      fin = false;
      break;
    }
    // RFC 9293 §3.9.1.2 asks for PSH on the last byte there is. The last of several segments has it
    // too: who joins them on receipt passes them on at once.
    const bool several = t.snd_nxt != first;
    const bool last = budget == 1 || !may_follow(t, stream, left - n, window - n, room - n);
    const bool push = n > 0 && (n == left || (several && last));
    const Piece piece{t.snd_nxt, static_cast<std::uint16_t>(n), fin, push, false};
    if (!emit_piece(c, t, piece, &stream.cursor)) {
      fin = false;
      break;
    }
    t.snd_nxt += n + (fin ? 1u : 0u);
    alone = n == 0;
    if (n < t.mss) stream.small_end = t.snd_nxt;
    room -= n;
    window -= n;
    --budget;
  }
  if (room < t.mss) stream.set(cwnd_limited);
  if (t.snd_nxt == first) return false;
  if (fin) {
    t.set(Flag::fin_sent);
    if (alone) stream.set(fin_alone);
  }
  note_sent(c, t, stream, first, t.snd_nxt - first - (fin ? 1u : 0u));
  return true;
}

// A byte of what the peer has no window for (RFC 9293 §3.8.6.1), sent before.
void probe_again(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  Cursor head;
  const Piece piece{.at = t.snd_una, .size = 1, .again = true};
  if (!emit_piece(c, t, piece, &head)) return;
  ++c.counters.retransmits;
  ++c.stream(t).retransmits;
}

// RFC 8985 §7.3. New data if there is any and the window takes it, whatever cwnd says.
void tail_probe(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  Recovery& r = take_recovery(c, t, stream);
  if (r.mode != Mode::open || r.tail_out || t.snd_wnd == 0) return;
  const std::uint32_t cwnd = stream.cwnd;
  unsigned one = 1;
  stream.cwnd = std::max(cwnd, pipe(c, t) + t.mss);
  const bool fresh = send_new(c, index, one);
  stream.cwnd = cwnd;
  if (!fresh) {
    Scoreboard& board = take_scoreboard(c, t, stream);
    const Seq last = c.ranges[board.last()].begin;
    const std::uint32_t flight = t.snd_nxt - t.snd_una;
    const std::uint32_t fin = t.has(Flag::fin_sent) ? 1 : 0;
    const std::uint32_t size = stream.has(fin_alone) ? 1 : t.mss + fin;
    Seq from = t.snd_nxt - std::min<std::uint32_t>(flight, size);
    if (from < last) from = last;
    if (!board.probed(c.ranges, from, now_us(c))) return;
    if (!send_again(c, t, r, piece_of(t, from, t.snd_nxt, t.mss))) return;
  }
  ++c.counters.tail_probes;
  r.tail_out = true;
  r.tail_again = !fresh;
  r.tail_dsack = false;
  r.tail_end = t.snd_nxt;
  set_timer(c, index, rto_wait(c, t));
}

}  // namespace

bool send_data(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  bool sent = false;
  if (!t.has(Flag::data_ready)) {
    sent = send_bare_fin(c, index);
  } else {
    // What finds no room in the port's queue waits here: there it would be dropped.
    unsigned budget = std::min(
        segments_per_turn, c.interfaces.room_for_data(c.interfaces.neighbours().port(t.neighbour)));
    const bool had_room = budget > 0;
    const bool idle = t.snd_una == t.snd_nxt;
    // A bare FIN timed out, and then there was data.
    if (t.has(Flag::rewound) && c.stream(t).recovery == no_recovery) lose_flight(c, t);
    if (t.has(Flag::rewound)) sent = send_lost(c, index, budget);
    // Nothing new before what is lost, but for what F-RTO asks (then nothing is `rewound`).
    bool fresh = false;
    if (!t.has(Flag::rewound)) fresh = send_new(c, index, budget);
    if (had_room) {
      t.clear(Flag::probe);
      c.stream(t).clear(override_due);
    }
    if (fresh) {
      // A timer that ran while nothing was in flight was for the wait: the RTO begins now.
      idle ? set_timer(c, index, rto_wait(c, t)) : start_timer(c, index);
      schedule_tail_probe(c, index);
    }
    sent |= fresh;
  }
  // In flight: retransmission. Nothing in flight but bytes left: the window is shut, persist. A FIN
  // left: no frame was free for it.
  const bool fin_left = t.has(Flag::fin_wanted) && !t.has(Flag::fin_sent);
  if (t.snd_una != t.snd_nxt || data_end(t) != t.snd_una || fin_left) start_timer(c, index);
  return sent;
}

namespace {

// Drops what was acknowledged; returns how many bytes of the application's went with it.
std::uint32_t take_acked(Context& c, Tcb& t, Stream& stream, std::uint32_t bytes) {
  const BlockCount counted(c.buffers, stream.send_blocks);
  return c.buffers.consume(t.send, bytes, &stream.cursor);
}

// `writable` waits for a third of the buffer (Linux: sk_stream_min_wspace) and for a block: a peer
// that acknowledges byte by byte would have the application write byte by byte, a block for each.
bool is_worth_writing(const Context& c, const Tcb& t) {
  if (t.send.bytes == 0) return true;
  const std::uint32_t buffer = send_buffer(c, t);
  const std::uint32_t room = buffer - std::min(buffer, t.send.bytes);
  return room >= t.send.bytes / 2 && blocks_for_sending(c, t) > 0;
}

}  // namespace

void on_ack_of_syn(Context& c, Tcb& t, const wire::Segment& segment) {
  t.handshake_rtt = 0;
  std::uint32_t rtt = 0;
  const bool once = !t.has(Flag::syn_repeated | Flag::syn_again) && t.timer_at != 0;  // Karn
  t.clear(Flag::syn_again);
  const bool known = once ? handshake_rtt(c, t, rtt)
                          : t.has(Flag::timestamps) && timestamp_rtt(c, t, segment, rtt);
  if (!known) return;
  t.handshake_rtt = rtt;
  if (t.has(Flag::data_ready)) rtt_sample(c.stream(t), rtt);
}

void on_ack(Context& c, std::uint32_t index, const wire::Segment& segment, const Frame& frame,
            const AckedBytes& acked) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  if (acked.data > 0) {
    const std::uint32_t returned = take_acked(c, t, stream, acked.data);
    stream.lent -= returned;
    unsigned what = returned > 0 ? unsigned{salut::Event::returned} : 0u;
    if (t.has(Flag::write_blocked) && is_worth_writing(c, t)) {
      what |= salut::Event::writable;
      t.clear(Flag::write_blocked);
      stream.set(writable_told);
    }
    if (what != 0 && !t.has(Flag::closed_reported)) c.post_event(index, what);
  }
  bool special = stream.recovery != no_recovery || acked.duplicate;
  special |= segment.sack_count != 0 && t.has(Flag::sack);
  special |= stream.backoff != 0;
  special |= t.has(Flag::ecn) && (segment.flags & wire::ece) != 0;
  if (special) [[unlikely]] {
    return recover_on_ack(c, index, segment, frame, acked);
  }
  if (stream.timed_at != 0 && Seq{segment.ack} > stream.mark) {
    rtt_sample(stream, now_us(c) - stream.timed_at);
    stream.timed_at = 0;
  }
  // Without a loss yet: slow start.
  const std::uint32_t flight = t.snd_nxt - t.snd_una + acked.sequence;
  if (acked.data > 0 && (stream.has(cwnd_limited) || 2 * flight > stream.cwnd)) {
    slow_start(stream, acked.data);
  }
}

void on_timeout(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  if (t.retries < 255) ++t.retries;
  if (!t.has(Flag::data_ready)) {
    t.set(Flag::rewound);
    c.queue_output(index);
    return;
  }
  Stream& stream = c.stream(t);
  if (stream.backoff < 255) ++stream.backoff;
  stream.timed_at = 0;  // Karn
  if (t.snd_wnd == 0 && t.send.bytes > 0) return probe_again(c, index);
  recover_on_timeout(c, index);
  c.queue_output(index);
}

void on_persist(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  t.set(Flag::probe);
  stream.set(override_due);
  // Each probe waits twice as long as the one before (RFC 9293 §3.8.6.1), the first included.
  if (t.snd_wnd == 0 && stream.backoff == 0) stream.backoff = 1;
  c.queue_output(index);
}

void on_blocked(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  if (blocks_for_sending(c, t) == 0) return start_timer(c, index);
  t.clear(Flag::write_blocked);
  c.stream(t).set(writable_told);
  if (!t.has(Flag::closed_reported)) c.post_event(index, salut::Event::writable);
}

void on_probe(Context& c, std::uint32_t index) {
  Stream& stream = c.stream(c.tcbs[index]);
  stream.probe_at = 0;
  if (c.tcbs[index].snd_una == c.tcbs[index].snd_nxt) return;
  if (stream.has(probe_is_tail)) {
    tail_probe(c, index);
  } else {
    recover_on_overdue(c, index);
    c.queue_output(index);
  }
}

void resend(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  t.retries = 0;
  stream.backoff = 0;
  const bool only_probe = t.snd_nxt - t.snd_una == 1 && !t.has(Flag::fin_sent);
  if (only_probe) {
    // As if it had never been sent, so that it leaves together with what follows.
    if (stream.recovery != no_recovery) c.recoveries[stream.recovery].board.clear(c.ranges);
    t.clear(Flag::rewound);
    t.snd_nxt = stream.small_end = t.snd_una;
    stream.cursor = Cursor{};
    send_data(c, index);
    stream.timed_at = 0;  // Karn
  }
  const bool stuck = t.snd_nxt == t.snd_una;  // no frame was to be had: it stays sent, and is lost
  if (stuck) t.snd_nxt += 1;
  if (!only_probe || stuck) lose_flight(c, t);
  set_timer(c, index, rto_wait(c, t));
  c.queue_output(index);
}

}  // namespace salut::tcp
