#include "tcp/timers.hpp"

namespace salut::tcp {

Duration rto_wait_again(const Context& c, const Tcb& tcb) {
  const Duration wait = rto(c, tcb);
  if (probes_window(tcb)) return wait;
  const Duration left = retry_limit(c, tcb) - unanswered_for(c, tcb);
  return std::clamp<Duration>(left, Duration{0}, wait);
}

void start_timer(Context& c, std::uint32_t index) {
  if (c.tcbs[index].timer_at == 0) set_timer(c, index, rto_wait(c, c.tcbs[index]));
}

void restart_timer(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  if (t.snd_una == t.snd_nxt) {
    clear_timer(t);
    if (t.has(Flag::data_ready)) c.stream(t).probe_at = 0;
    return;
  }
  set_timer(c, index, rto_wait(c, t));
  if (!t.has(Flag::data_ready)) return;
  if (c.stream(t).has(probe_is_tail)) c.stream(t).probe_at = 0;
  schedule_tail_probe(c, index);
}

void schedule_tail_probe(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  if (!t.has(Flag::sack) || stream.srtt == 0 || t.snd_una == t.snd_nxt || t.snd_wnd == 0) return;
  if (stream.probe_at != 0 && !stream.has(probe_is_tail)) return;  // reordering comes first
  if (stream.recovery != no_recovery) {
    const Recovery& r = c.recoveries[stream.recovery];
    if (r.mode != Mode::open || r.tail_out || r.board.sacked() > 0) return;
  }
  std::uint32_t us = 2 * stream.srtt;
  // One segment, which may have a FIN on it.
  const std::uint32_t fin = t.has(Flag::fin_sent) && !stream.has(fin_alone) ? 1 : 0;
  if (t.snd_nxt - t.snd_una <= t.mss + fin) us += tail_ack_delay_us;
  const Duration after = std::chrono::microseconds(us);
  // No later than the RTO, which then begins anew. Of the two the probe is looked at first.
  const bool rto_first = t.timer_at != 0 && Tick{t.timer_at} <= tick_after(c.clock.now, after);
  if (rto_first) {
    stream.probe_at = t.timer_at;
  } else {
    set_deadline(c, index, stream.probe_at, after);
  }
  stream.set(probe_is_tail);
}

}  // namespace salut::tcp
