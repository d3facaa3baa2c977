#include "tcp/pressure.hpp"

#include <algorithm>

#include "tcp/lifecycle.hpp"

namespace salut::tcp {
namespace {

constexpr std::uint32_t ticks(Duration duration) {
  return static_cast<std::uint32_t>(duration.count() >> tick_shift);
}

// Does it hold bytes that its peer could take? Not before our SYN is acknowledged: the handshake
// has limits of its own (syn_timeout, syn_ack_retries).
bool holds_for_peer(const Tcb& t) {
  return t.has(Flag::data_ready) && !t.has(Flag::syn_unacked) && t.ending == 0 &&
         t.state != State::closed && t.state != State::time_wait && t.send.bytes > 0;
}

// Blocks are short now. After a pause this is another shortage, and what was noted before is void:
// the connection may have sent gigabytes since.
void note_shortage(Context& c) {
  const std::uint32_t now = c.clock.tick.value;
  if (now - c.short_seen > ticks(shortage_pause)) c.short_since = now;
  c.short_seen = now;
}

// Has the peer taken too little for too long? Begins to watch it if nobody did. All distances are
// unsigned: a comparison of sequence numbers would be wrong for half of those that went on.
bool stands_still(const Context& c, const Tcb& t, Stream& stream) {
  const std::uint32_t now = c.clock.tick.value;
  const std::uint32_t watched = now - stream.watched_at;
  const std::uint32_t missing = stream.watched_until - t.snd_una;
  const bool of_now = stream.watched_at != 0 && watched <= now - c.short_since;
  if (of_now && missing > 0 && missing <= block_bytes) {
    const bool shut = t.snd_wnd < std::min<std::uint32_t>(t.mss, t.send.bytes);
    return watched >= ticks(shut ? shut_limit : stall_limit);
  }
  stream.watched_at = std::max(now, 1u);
  stream.watched_until = t.snd_una + std::min<std::uint32_t>(t.send.bytes, block_bytes);
  return false;
}

}  // namespace

void relieve_pressure(Context& c) {
  note_shortage(c);
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
