// When no more than an eighth of the pool is free: ends connections whose peers hold blocks and
// take nothing.
//
// A shut window that is answered keeps a connection for ever (RFC 9293 §3.8.6.1), and shares alone
// do not help against more connections than the pool has two blocks for. So a hand goes over the
// slots, some per turn and only while blocks are short. It notes how far each peer has come that
// has bytes to take, and from when on. A peer stands still if it has not acknowledged a block's
// worth since, or all there was. Such a connection is reset (RFC 6429 allows it; Linux: tcp_mem):
//
//   the largest     with a window that is shut for 2 s, of those that hold more than two blocks one
//                   way: one per round of the hand
//   the greedy      that hold more than two blocks one way: shut for 5 s, or 30 s without progress
//   all             the same, while no more than a sixteenth of the pool is free
//
// until more than an eighth is free. So whoever behaves waits 2 s, and then a round for each large
// connection that an attacker had.
#pragma once

#include "tcp/shares.hpp"

namespace salut::tcp {

// How long a peer may take nothing while others have no memory: with a window that does not take a
// segment, and with one that does, whose segments may have been lost. The largest have less time,
// but enough for a probe after an RTO of a second, and its answer.
inline constexpr Duration largest_limit = std::chrono::seconds{2};
inline constexpr Duration shut_limit = std::chrono::seconds{5};
inline constexpr Duration stall_limit = std::chrono::seconds{30};
// A shortage that pauses for no longer is the same one: nobody is watched anew because blocks were
// free for a moment, as they are after each reset.
inline constexpr Duration shortage_pause = std::chrono::seconds{30};
// Slots that are looked at per turn: a hand over 65,536 takes 512 turns.
inline constexpr std::uint32_t slots_per_turn = 128;
// How often a loop that sleeps should turn meanwhile: half a second for that round.
inline constexpr Duration pressure_period = std::chrono::milliseconds{1};
static_assert(slots_per_turn <= output_budget, "their resets leave with the next turn");

inline bool under_pressure(const Context& c) {
  return free_blocks(c) <= c.config.buffer_blocks >> kept_for_small;
}

// A turn's share of the work. REQUIRES: under_pressure().
void relieve_pressure(Context& c);

}  // namespace salut::tcp
