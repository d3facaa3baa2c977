// Data beyond RCV.NXT, kept until what is missing arrives (RFC 9293 §3.10.7.4, seventh check), and
// what SACK tells the peer of it (RFC 2018, RFC 2883).
//
// Islands are runs of bytes in order of sequence, out of one pool per stack; they never overlap:
// of what comes twice the first copy stays. A segment that continues an island grows it in place,
// so that the flight behind one lost segment is one island, however long.
//
// Bounds, since a peer chooses what it sends: never beyond the window that we offered, at most
// islands_max per connection, and an eighth of the stack's buffer blocks for all of them, in shares
// that shrink as it fills. A connection that has little displaces the oldest, and all of them give
// way to data in order and to sending (make_room). What is refused or dropped comes again: it was
// not acknowledged, and RFC 2018 §8 allows to drop what SACK has told of.
//
// Threads: the stack's lcore. Cost: a walk over the connection's islands per segment out of order.
#pragma once

#include <array>

#include "tcp/shares.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

inline constexpr unsigned islands_max = 64;
// A connection that holds fewer blocks than these displaces the oldest islands.
inline constexpr std::uint32_t islands_least = 8;

// Text beyond RCV.NXT, trimmed to window and FIN by the caller; how many bytes of it were new and
// kept.
std::uint32_t keep_island(Context& c, Tcb& tcb, Seq seq, const std::byte* data, std::uint32_t size);

// A FIN beyond RCV.NXT, at `seq`. The first one counts, and none before bytes that are kept.
void keep_fin(Context& c, Tcb& tcb, Seq seq);

// How many bytes may lie at `at`: nothing follows a FIN.
std::uint32_t until_kept_fin(const Context& c, const Tcb& tcb, Seq at);

// Moves what has come in order to the reader; how many bytes.
std::uint32_t drain_islands(Context& c, Tcb& tcb);

// Has the kept FIN come in order? It is forgotten then.
bool take_fin(Context& c, Tcb& tcb);

// Gives all of it back.
void drop_islands(Context& c, Tcb& tcb);

// Drops islands, the oldest first, until `blocks` are free or none are left.
void drop_oldest_islands(Context& c, std::uint32_t blocks);

// Before `bytes` in order are appended to `chain`, which may hold `limit`: islands give way if the
// free blocks will not do. The chain's last block may have room for all of them, or its limit for
// none: then nobody loses anything.
inline void make_room(Context& c, const Chain& chain, std::size_t bytes, std::uint32_t limit) {
  if (c.buffers.available_blocks() > bytes / block_bytes || c.island_blocks == 0) [[likely]]
    return;
  const std::size_t most = limit - std::min(limit, chain.bytes);
  drop_oldest_islands(c, c.buffers.blocks_to_append(chain, std::min(bytes, most)));
}

// A segment brought [begin, end) again: the next ACK says so, once. Of several repetitions in one
// segment it names the first (RFC 2883 §4), until begin_duplicates() says that the next one is in
// hand.
inline void begin_duplicates(Context& c, const Tcb& tcb) {
  if (tcb.has(Flag::data_ready)) c.stream(tcb).clear(dsack_noted);
}
void note_duplicate(Context& c, Tcb& tcb, Seq begin, Seq end);

// The blocks of a SACK option, the newest first: edges in pairs. At most `most` blocks.
using SackEdges = std::array<std::uint32_t, 8>;
unsigned sack_blocks(Context& c, Tcb& tcb, unsigned most, SackEdges& edges);

}  // namespace salut::tcp
