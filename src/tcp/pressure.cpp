#include "tcp/pressure.hpp"

#include <algorithm>

#include "tcp/lifecycle.hpp"

namespace salut::tcp {
namespace {

constexpr std::uint32_t ticks(Duration duration) {
  return static_cast<std::uint32_t>(duration.count() >> tick_shift);
}

bool holds_for_peer(const Tcb& t) {
  return t.has(Flag::data_ready) && t.ending == 0 && t.state != State::closed &&
         t.state != State::time_wait && t.send.bytes > 0;
}

// Has the peer taken too little for too long? Begins to watch it if nobody did.
bool stands_still(const Context& c, const Tcb& t, Stream& stream) {
  if (stream.watched_at != 0 && t.snd_una < stream.watched_until) {
    const bool shut = t.snd_wnd < std::min<std::uint32_t>(t.mss, t.send.bytes);
    return c.clock.tick.value - stream.watched_at >= ticks(shut ? shut_limit : stall_limit);
  }
  stream.watched_at = std::max(c.clock.tick.value, 1u);
  stream.watched_until = data_start(t) + std::min<std::uint32_t>(t.send.bytes, block_bytes);
  return false;
}

}  // namespace

void relieve_pressure(Context& c) {
  const std::uint32_t slots = c.tcbs.touched();
  const std::uint32_t kept = c.config.buffer_blocks >> kept_for_small;
  const std::uint32_t scarce = c.config.buffer_blocks >> kept_for_order;
  std::uint32_t free = free_blocks(c);
  for (std::uint32_t n = std::min(slots, slots_per_turn); n > 0 && free <= kept; --n) {
    if (++c.pressure_hand >= slots) c.pressure_hand = 0;
    const Tcb& t = c.tcbs[c.pressure_hand];
    if (!holds_for_peer(t)) continue;
    Stream& stream = c.stream(t);
    if (!stands_still(c, t, stream)) continue;
    const bool greedy = stream.send_blocks > blocks_least || stream.recv_blocks > blocks_least;
    if (!greedy && free > scarce) continue;
    free += stream.send_blocks + stream.recv_blocks;
    ++c.counters.pressure_resets;
    apply_event(c, c.pressure_hand, StateEvent::abort, {.reason = Reason::overload, .later = true});
  }
}

}  // namespace salut::tcp
