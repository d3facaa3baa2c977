#include "tcp/reassembly.hpp"

#include <algorithm>

#include "tcp/lifecycle.hpp"

namespace salut::tcp {
namespace {

constexpr std::uint32_t none = stack::Pool<Island>::none;
constexpr std::uint32_t unlimited = 0xffffffff;

Seq end_of(const Island& island) { return island.begin + island.chain.bytes; }

// Something for SACK or for take_fin() to do?
void settle_flag(Tcb& t, const Stream& stream) {
  if (stream.islands == none && !stream.fin_kept && stream.dsack_begin == stream.dsack_end) {
    t.clear(Flag::gaps);
  } else {
    t.set(Flag::gaps);
  }
}

void remember(Stream& stream, Seq arrived) {
  for (std::size_t i = stream.recent.size(); --i > 0;) stream.recent[i] = stream.recent[i - 1];
  stream.recent[0] = arrived;
}

// Bytes for the gap between `previous` (or the start) and the next island; grows `previous` if they
// continue it. Returns how many found room.
std::uint32_t fill_gap(Context& c, Stream& stream, std::uint32_t& previous, Seq at,
                       std::span<const std::byte> bytes) {
  if (c.buffers.available_blocks() <= c.config.buffer_blocks / 4) return 0;
  if (previous != none && end_of(c.islands[previous]) == at) {
    return static_cast<std::uint32_t>(
        c.buffers.append(c.islands[previous].chain, bytes, unlimited));
  }
  if (stream.island_count == islands_max) return 0;
  const std::uint32_t index = c.islands.acquire();
  if (index == none) return 0;
  Island& island = c.islands[index];
  island.begin = at;
  const auto taken = static_cast<std::uint32_t>(c.buffers.append(island.chain, bytes, unlimited));
  std::uint32_t& link = previous == none ? stream.islands : c.islands[previous].next;
  island.next = link;
  link = index;
  ++stream.island_count;
  previous = index;
  return taken;
}

void drop_first(Context& c, Stream& stream) {
  const std::uint32_t index = stream.islands;
  c.buffers.clear(c.islands[index].chain);
  stream.islands = c.islands[index].next;
  c.islands.release(index);
  --stream.island_count;
}

// Moves the first `count` bytes of an island to the reader, as many as find room.
std::uint32_t move_to_reader(Context& c, Tcb& t, Island& island) {
  std::array<std::byte, stack::block_bytes> bytes;
  std::uint32_t moved = 0;
  while (island.chain.bytes > 0) {
    const std::size_t n = c.buffers.peek(island.chain, bytes);
    // Out of the island first: its block may be the very one that the reader's chain needs.
    c.buffers.consume(island.chain, static_cast<std::uint32_t>(n));
    island.begin += static_cast<std::uint32_t>(n);
    const auto taken =
        static_cast<std::uint32_t>(c.buffers.append(t.recv, {bytes.data(), n}, unlimited));
    moved += taken;
    if (taken < n) break;  // no block: the rest is lost and comes again
  }
  return moved;
}

}  // namespace

std::uint32_t keep_island(Context& c, Tcb& t, Seq seq, const std::byte* data, std::uint32_t size) {
  prepare_data(c, t);
  Stream& stream = c.stream(t);
  if (stream.fin_kept && seq + size > stream.fin_at) return 0;  // nothing follows a FIN
  const Seq end = seq + size;
  Seq at = seq;
  std::uint32_t kept = 0;
  bool refused = false;
  std::uint32_t previous = none;
  std::uint32_t next = stream.islands;
  const auto fill_until = [&](Seq stop) {
    if (!(at < stop)) return true;
    const std::uint32_t want = stop - at;
    const std::uint32_t got = fill_gap(c, stream, previous, at, {data + (at - seq), want});
    kept += got;
    at = stop;
    refused |= got < want;
    return got == want;
  };
  while (next != none && c.islands[next].begin < end) {
    const Seq begin = c.islands[next].begin;
    const Seq over = end_of(c.islands[next]);
    if (over > at || over == at) {
      if (begin > at && !fill_until(begin)) break;
      if (over > at) at = over;
    }
    previous = next;
    next = c.islands[next].next;
  }
  if (at < end && (next == none || !(c.islands[next].begin < end))) fill_until(end);
  if (kept > 0) remember(stream, seq);
  // What found no room is no duplicate: a DSACK would tell the peer that it is here.
  if (kept == 0 && !refused) note_duplicate(c, t, seq, end);
  settle_flag(t, stream);
  return kept;
}

void keep_fin(Context& c, Tcb& t, Seq seq) {
  prepare_data(c, t);
  Stream& stream = c.stream(t);
  if (!stream.fin_kept) {
    stream.fin_kept = true;
    stream.fin_at = seq;
  }
  settle_flag(t, stream);
}

std::uint32_t drain_islands(Context& c, Tcb& t) {
  if (!t.has(Flag::gaps)) return 0;
  Stream& stream = c.stream(t);
  std::uint32_t moved = 0;
  while (stream.islands != none && c.islands[stream.islands].begin <= t.rcv_nxt) {
    Island& first = c.islands[stream.islands];
    const std::uint32_t old = std::min(t.rcv_nxt - first.begin, first.chain.bytes);
    c.buffers.consume(first.chain, old);
    first.begin += old;
    const std::uint32_t n = move_to_reader(c, t, first);
    t.rcv_nxt += n;
    moved += n;
    if (first.chain.bytes == 0) drop_first(c, stream);
  }
  settle_flag(t, stream);
  return moved;
}

bool take_fin(Context& c, Tcb& t) {
  if (!t.has(Flag::gaps)) return false;
  Stream& stream = c.stream(t);
  if (!stream.fin_kept || t.rcv_nxt != stream.fin_at) return false;
  stream.fin_kept = false;
  settle_flag(t, stream);
  return true;
}

void drop_islands(Context& c, Tcb& t) {
  Stream& stream = c.stream(t);
  while (stream.islands != none) drop_first(c, stream);
  stream.fin_kept = false;
  stream.dsack_begin = stream.dsack_end;
  t.clear(Flag::gaps);
}

void note_duplicate(Context& c, Tcb& t, Seq begin, Seq end) {
  if (!t.has(Flag::sack)) return;
  prepare_data(c, t);
  Stream& stream = c.stream(t);
  stream.dsack_begin = begin;
  stream.dsack_end = end;
  t.set(Flag::gaps);
}

unsigned sack_blocks(Context& c, Tcb& t, unsigned most, SackEdges& edges) {
  Stream& stream = c.stream(t);
  unsigned n = 0;
  if (stream.dsack_begin != stream.dsack_end && most > 0) {
    edges[0] = stream.dsack_begin.value;
    edges[1] = stream.dsack_end.value;
    n = 1;
    stream.dsack_begin = stream.dsack_end;
  }
  // Islands that touch are one block.
  struct Run {
    Seq begin;
    Seq end;
    bool said = false;
  };
  std::array<Run, islands_max> runs;
  unsigned count = 0;
  for (std::uint32_t i = stream.islands; i != none; i = c.islands[i].next) {
    const Island& island = c.islands[i];
    if (count > 0 && runs[count - 1].end == island.begin) {
      runs[count - 1].end = end_of(island);
    } else {
      runs[count++] = Run{island.begin, end_of(island)};
    }
  }
  const auto say = [&](Run& run) {
    if (run.said || n == most) return;
    run.said = true;
    edges[2 * n] = run.begin.value;
    edges[2 * n + 1] = run.end.value;
    ++n;
  };
  for (const Seq arrived : stream.recent) {
    for (unsigned i = 0; i < count; ++i) {
      if (runs[i].begin <= arrived && arrived < runs[i].end) say(runs[i]);
    }
  }
  for (unsigned i = 0; i < count; ++i) say(runs[i]);
  settle_flag(t, stream);
  return n;
}

}  // namespace salut::tcp
