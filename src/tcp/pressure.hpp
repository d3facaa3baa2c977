// When the last eighth of the pool is in use: ends the connections whose peers hold blocks and take
// nothing.
//
// A shut window that is answered keeps a connection for ever (RFC 9293 §3.8.6.1), and shares alone
// do not help against more connections than the pool has minima for. So a hand goes over the slots,
// a few per turn and only under pressure. It notes how far each peer that has something coming has
// come, and resets the connection if within a limit it has acknowledged less than a block's
// worth, or than all there was: first those that hold more than the minimum, and in the last
// sixteenth the others too (RFC 6429 allows it; Linux: tcp_mem, tcp_orphan).
#pragma once

#include "tcp/shares.hpp"

namespace salut::tcp {

// How long a peer may take nothing while others have no memory: with a window that does not take a
// segment, and with one that does, whose segments may have been lost.
inline constexpr Duration shut_limit = std::chrono::seconds{5};
inline constexpr Duration stall_limit = std::chrono::seconds{30};
// A shortage that pauses for no longer is the same one: nobody is watched anew because blocks were
// free for a moment, as they are after each reset.
inline constexpr Duration shortage_pause = std::chrono::seconds{30};
// Slots that are looked at per turn: a hand over 65,536 takes 512 turns.
inline constexpr std::uint32_t slots_per_turn = 128;
// How often a loop that sleeps should turn meanwhile.
inline constexpr Duration pressure_period = std::chrono::milliseconds{10};
static_assert(slots_per_turn <= output_budget, "their resets leave with the next turn");

inline bool under_pressure(const Context& c) {
  return free_blocks(c) <= c.config.buffer_blocks >> kept_for_small;
}

// A turn's share of the work. REQUIRES: under_pressure().
void relieve_pressure(Context& c);

}  // namespace salut::tcp
