#include "tcp/pressure.hpp"

#include <algorithm>
#include <utility>

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
  if (now - c.pressure.short_seen > ticks(shortage_pause)) c.pressure.short_since = now;
  c.pressure.short_seen = now;
}

// Is the window shut for what is to be sent?
bool is_shut(const Tcb& t) { return t.snd_wnd < std::min<std::uint32_t>(t.mss, t.send.bytes); }

std::uint32_t blocks_of(const Stream& stream) { return stream.send_blocks + stream.recv_blocks; }
bool is_greedy(const Stream& stream) {
  return stream.send_blocks > blocks_least || stream.recv_blocks > blocks_least;
}

// For how many ticks has the peer taken too little? 0, and it is watched from now on, if it got on
// or nobody had looked. All distances are unsigned: a comparison of sequence numbers would be wrong
// for half of those that went on.
std::uint32_t stands_still(const Context& c, const Tcb& t, Stream& stream) {
  const std::uint32_t now = c.clock.tick.value;
  const std::uint32_t watched = now - stream.watched_at;
  const std::uint32_t missing = stream.watched_until - t.snd_una;
  const bool of_now = stream.watched_at != 0 && watched <= now - c.pressure.short_since;
  if (of_now && missing > 0 && missing <= block_bytes) return watched;
  stream.watched_at = std::max(now, 1u);
  stream.watched_until = t.snd_una + std::min<std::uint32_t>(t.send.bytes, block_bytes);
  return 0;
}

std::uint32_t end(Context& c, std::uint32_t index) {
  ++c.counters.pressure_resets;
  apply_call(c, index, StateEvent::abort, Reason::overload);
  return blocks_of(c.stream(c.tcbs[index]));
}

// The hand has been round: the largest that it met goes, if it still stands still. Returns how many
// blocks come free.
std::uint32_t end_largest(Context& c) {
  const bool found = std::exchange(c.pressure.largest_blocks, 0u) > 0;
  const Tcb& t = c.tcbs[c.pressure.largest];
  if (!found || !holds_for_peer(t) || !is_shut(t)) return 0;
  if (stands_still(c, t, c.stream(t)) < ticks(largest_limit)) return 0;
  return end(c, c.pressure.largest);
}

}  // namespace

void relieve_pressure(Context& c) {
  note_shortage(c);
  const std::uint32_t now = c.clock.tick.value;
  const std::uint32_t slots = c.tcbs.touched();
  const std::uint32_t kept = c.config.buffer_blocks >> kept_for_small;
  const std::uint32_t scarce = c.config.buffer_blocks >> kept_for_order;
  std::uint32_t free = free_blocks(c);
  for (std::uint32_t n = std::min(slots, slots_per_turn); n > 0 && free <= kept; --n) {
    if (++c.pressure.hand >= slots) {
      c.pressure.hand = 0;
      free += end_largest(c);
      c.pressure.round_since = now;
    }
    const Tcb& t = c.tcbs[c.pressure.hand];
    if (!holds_for_peer(t)) continue;
    Stream& stream = c.stream(t);
    const std::uint32_t still = stands_still(c, t, stream);
    const bool shut = is_shut(t);
    const bool greedy = is_greedy(stream);
    if (still >= ticks(shut ? shut_limit : stall_limit) && (greedy || free <= scarce)) {
      free += end(c, c.pressure.hand);
    } else if (shut && greedy && still >= ticks(largest_limit) + (now - c.pressure.round_since) &&
               blocks_of(stream) > c.pressure.largest_blocks) {
      // All of a round are judged as of its beginning: who is met late is not more guilty.
      c.pressure.largest = c.pressure.hand;
      c.pressure.largest_blocks = blocks_of(stream);
    }
  }
}

}  // namespace salut::tcp
