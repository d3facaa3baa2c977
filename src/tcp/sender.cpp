#include "tcp/sender.hpp"

#include <algorithm>

#include "tcp/lifecycle.hpp"
#include "tcp/options.hpp"
#include "tcp/output.hpp"
#include "tcp/rtt.hpp"
#include "wire/emit.hpp"

namespace salut::tcp {
namespace {

// Segments of one connection per turn: others want to send too.
constexpr unsigned segments_per_turn = 64;

// One data segment from `position`; the FIN with it if `fin`. False: no frame was to be had.
bool emit_data(Context& c, Tcb& t, Seq position, std::uint16_t n, bool fin, bool push) {
  Frame frame;
  if (!c.links.acquire(frame)) return false;
  wire::OptionBytes options;
  const std::size_t size = segment_options(c, t, options);
  if (n > 0) {
    c.buffers.copy(t.send, c.stream(t).cursor, position - data_start(t),
                   {wire::payload_at(frame, size, t.has(Flag::ip6)), std::size_t{n}});
  }
  std::uint8_t flags = wire::ack;
  if (push) flags |= wire::psh;
  if (fin) flags |= wire::fin;
  emit_segment(c, t, position, flags, offer_window(c, t), frame, {options.data(), size}, n);
  return true;
}

// Stream::timed_at, of which 0 means "none": that one microsecond passes for the next.
std::uint32_t microseconds(Instant now) {
  return std::max(static_cast<std::uint32_t>(now.time_since_epoch().count() / 1000), 1u);
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
      stream.timed_at = microseconds(c.now);
    }
  }
  if (next > t.snd_nxt) t.snd_nxt = next;
}

}  // namespace

void start_timer(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  if (t.timer_at == 0) set_timer(c, index, rto_after(c.config, rto_base(c, t), t.retries));
}

bool send_data(Context& c, std::uint32_t index) {
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

void on_ack(Context& c, std::uint32_t index, const wire::Segment& segment, const Frame&,
            std::uint32_t acked) {
  Tcb& t = c.tcbs[index];
  const Seq ack{segment.ack};
  Stream& stream = c.stream(t);
  if (t.has(Flag::rewound) && stream.mark < ack) {
    stream.mark = ack;
    stream.cursor = stack::Cursor{};
    if (ack == t.snd_nxt) t.clear(Flag::rewound);
  } else if (stream.timed_at != 0 && !t.has(Flag::rewound) && ack > stream.mark) {
    rtt_sample(stream, microseconds(c.now) - stream.timed_at);
    stream.timed_at = 0;
  }
  if (acked > 0) {
    c.buffers.consume(t.send, acked, &stream.cursor);
    // RFC 5681: slow start, then one segment per round trip.
    stream.cwnd += stream.cwnd < stream.ssthresh
                       ? std::min<std::uint32_t>(acked, 2u * t.mss)
                       : std::max(1u, std::uint32_t{t.mss} * t.mss / stream.cwnd);
    stream.cwnd = std::min(stream.cwnd, 1u << 30);
    if (t.has(Flag::write_blocked)) {
      t.clear(Flag::write_blocked);
      if (!t.has(Flag::told)) c.raise(index, salut::Event::writable);
    }
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

void resend(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  t.set(Flag::rewound);
  Stream& stream = c.stream(t);
  stream.mark = t.snd_una;
  stream.cursor = stack::Cursor{};
  stream.timed_at = 0;
  t.retries = 0;
  set_timer(c, index, rto_base(c, t));
}

}  // namespace salut::tcp
