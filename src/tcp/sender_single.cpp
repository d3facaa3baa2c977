// What fits one segment while nothing is in flight: a request, an answer, a FIN. The short way out.
#include <algorithm>

#include "tcp/congestion/congestion.hpp"
#include "tcp/rtt.hpp"
#include "tcp/sender.hpp"
#include "tcp/timers.hpp"
#include "tcp/timestamps.hpp"
#include "tcp/transmit.hpp"
#include "tcp/window.hpp"
#include "wire/emit.hpp"

namespace salut::tcp {

bool send_single(Context& c, std::uint32_t index) {
  constexpr unsigned special =
      Flag::rewound | Flag::probe | Flag::ecn | Flag::gaps | Flag::syn_unacked;
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  const std::uint32_t size = t.send.bytes;
  const bool fin = t.has(Flag::fin_wanted) && !t.has(Flag::fin_sent);
  bool off = c.long_way | ((t.flags & special) != 0);
  off |= t.snd_una != t.snd_nxt;
  off |= size == 0 && !fin;
  off |= size > t.mss || size > t.snd_wnd || size > stream.cwnd;
  off |= stream.recovery != no_recovery;
  off |= stream.cwnd > initial_cwnd(c.config.initial_window, t.mss);  // it may begin anew when idle
  if (off) return false;
  if (c.interfaces.room_for_data(c.interfaces.neighbours().port(t.neighbour)) == 0) return false;
  Frame frame;
  if (!c.interfaces.acquire(frame)) return false;
  std::uint8_t flags = wire::ack;
  if (size > 0) {
    const std::size_t options = t.has(Flag::timestamps) ? timestamps_size : 0;
    c.buffers.copy(t.send, stream.cursor, 0,
                   {wire::payload_at(frame, options, t.has(Flag::ip6)), std::size_t{size}});
    flags |= wire::psh;
  }
  if (fin) flags |= wire::fin;
  emit_segment(c, t, frame,
               {.seq = t.snd_nxt.value,
                .wnd = offer_window(c, t),
                .payload_length = static_cast<std::uint16_t>(size),
                .flags = flags});
  const std::uint32_t now = now_us(c);
  t.snd_nxt += size + (fin ? 1u : 0u);
  stream.max_snd_wnd = std::max(stream.max_snd_wnd, t.snd_wnd);
  stream.clear(cwnd_limited | override_due);
  if (stream.cwnd - size < t.mss) stream.set(cwnd_limited);
  if (size < t.mss) stream.small_end = t.snd_nxt;
  if (fin) t.set(Flag::fin_sent);
  if (size == 0) stream.set(fin_alone);
  stream.sent_at = now;
  if (size > 0 && stream.timed_at == 0) {
    stream.mark = t.snd_una;
    stream.timed_at = now;
  }
  set_timer(c, index, rto_wait(c, t));
  schedule_tail_probe(c, index);
  return true;
}

}  // namespace salut::tcp
