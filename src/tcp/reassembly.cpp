#include "tcp/reassembly.hpp"

#include <algorithm>

#include "tcp/stream_setup.hpp"

namespace salut::tcp {
namespace {

constexpr std::uint32_t none = Pool<Island>::none;
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

// Islands that touch are one block of SACK.
struct Run {
  Seq begin;
  Seq end;
  bool said = false;
  bool has(Seq s) const { return begin <= s && s < end; }
};
struct Runs {
  std::array<Run, islands_max> list;
  unsigned count = 0;
};

void find_runs(const Context& c, const Stream& stream, Runs& runs) {
  for (std::uint32_t i = stream.islands; i != none; i = c.islands[i].next) {
    const Island& island = c.islands[i];
    if (runs.count > 0 && runs.list[runs.count - 1].end == island.begin) {
      runs.list[runs.count - 1].end = end_of(island);
    } else {
      runs.list[runs.count++] = Run{island.begin, end_of(island)};
    }
  }
}

// One entry per run, so that a run which grows does not push the others out of what is told.
void remember(const Context& c, Stream& stream, Seq arrived) {
  Runs runs;
  find_runs(c, stream, runs);
  const auto old = stream.recent;
  stream.recent.fill(arrived);
  std::size_t n = 1;
  for (unsigned i = 0; i < runs.count; ++i) {
    if (runs.list[i].has(arrived)) runs.list[i].said = true;
  }
  for (const Seq before : old) {
    for (unsigned i = 0; i < runs.count && n < old.size(); ++i) {
      Run& run = runs.list[i];
      if (run.said || !run.has(before)) continue;
      run.said = true;
      stream.recent[n++] = before;
    }
  }
}

// --- the connections with islands, in order of age ---------------------------------------------

void link_newest(Context& c, const Tcb& t, Stream& stream) {
  const std::uint32_t self = c.tcbs.index_of(t);
  stream.older = c.islands_newest;
  stream.newer = TcbPool::none;
  std::uint32_t& before =
      stream.older == TcbPool::none ? c.islands_oldest : c.stream(c.tcbs[stream.older]).newer;
  before = self;
  c.islands_newest = self;
}

void unlink(Context& c, const Stream& stream) {
  std::uint32_t& before =
      stream.older == TcbPool::none ? c.islands_oldest : c.stream(c.tcbs[stream.older]).newer;
  std::uint32_t& behind =
      stream.newer == TcbPool::none ? c.islands_newest : c.stream(c.tcbs[stream.newer]).older;
  before = stream.newer;
  behind = stream.older;
}

void drop_first(Context& c, Stream& stream) {
  const std::uint32_t index = stream.islands;
  {
    const BlockCount own(c.buffers, stream.island_blocks);
    const BlockCount all(c.buffers, c.island_blocks);
    c.buffers.clear(c.islands[index].chain);
  }
  stream.islands = c.islands[index].next;
  c.islands.release(index);
  if (--stream.island_count == 0) unlink(c, stream);
}

// All islands of the connection whose first came before all others', but not of `spared`. False:
// there is none.
bool drop_oldest(Context& c, const Tcb* spared) {
  std::uint32_t oldest = c.islands_oldest;
  if (oldest != TcbPool::none && &c.tcbs[oldest] == spared) oldest = c.stream(*spared).newer;
  if (oldest == TcbPool::none) return false;
  Tcb& t = c.tcbs[oldest];
  Stream& stream = c.stream(t);
  while (stream.islands != none) drop_first(c, stream);
  settle_flag(t, stream);
  ++c.counters.islands_dropped;
  return true;
}

// How many blocks the islands of a connection may still take.
std::uint32_t blocks_for_islands(Context& c, const Tcb& t, const Stream& stream) {
  const std::uint32_t most = c.config.buffer_blocks >> most_for_islands;
  for (;;) {
    if (c.buffers.available_blocks() <= c.config.buffer_blocks >> kept_for_small) return 0;
    const std::uint32_t share = share_left(most, c.island_blocks, stream.island_blocks);
    if (share > 0) return share;
    if (stream.island_blocks == 0 && c.island_blocks < most) return 1;
    if (stream.island_blocks >= islands_least) return 0;
    // Were it alone and had no share even so, the others would lose theirs for nothing.
    const std::uint32_t own = stream.island_blocks;
    if (own > 0 && share_left(most, own, own) == 0) return 0;
    if (!drop_oldest(c, &t)) return 0;
  }
}

// Bytes for the gap between `previous` (or the start) and the next island; grows `previous` if they
// continue it. Returns how many found room.
std::uint32_t fill_gap(Context& c, const Tcb& t, Stream& stream, std::uint32_t& previous, Seq at,
                       std::span<const std::byte> bytes) {
  const bool continues = previous != none && end_of(c.islands[previous]) == at;
  if (!continues && stream.island_count == islands_max) return 0;
  const Chain chain = continues ? c.islands[previous].chain : Chain{};
  std::size_t room = c.buffers.room(chain, 0);
  if (bytes.size() > room) room = c.buffers.room(chain, blocks_for_islands(c, t, stream));
  if (room == 0) return 0;
  bytes = bytes.first(std::min(bytes.size(), room));
  const BlockCount own(c.buffers, stream.island_blocks);
  const BlockCount all(c.buffers, c.island_blocks);
  if (continues) {
    return static_cast<std::uint32_t>(
        c.buffers.append(c.islands[previous].chain, bytes, unlimited));
  }
  const std::uint32_t index = c.islands.acquire();
  if (index == none) return 0;
  Island& island = c.islands[index];
  island.begin = at;
  const auto taken = static_cast<std::uint32_t>(c.buffers.append(island.chain, bytes, unlimited));
  if (stream.island_count == 0) link_newest(c, t, stream);
  std::uint32_t& link = previous == none ? stream.islands : c.islands[previous].next;
  island.next = link;
  link = index;
  ++stream.island_count;
  previous = index;
  return taken;
}

void consume(Context& c, Stream& stream, Island& island, std::uint32_t count) {
  const BlockCount own(c.buffers, stream.island_blocks);
  const BlockCount all(c.buffers, c.island_blocks);
  c.buffers.consume(island.chain, count);
  island.begin += count;
}

// Moves the first `count` bytes of an island to the reader, as many as find room.
std::uint32_t move_to_reader(Context& c, Tcb& t, Stream& stream, Island& island) {
  std::array<std::byte, block_bytes> bytes;
  std::uint32_t moved = 0;
  while (island.chain.bytes > 0) {
    const std::size_t n = c.buffers.peek(island.chain, bytes);
    // Out of the island first: its block may be the very one that the reader's chain needs.
    consume(c, stream, island, static_cast<std::uint32_t>(n));
    const BlockCount counted(c.buffers, stream.recv_blocks);
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
  const Seq end = seq + size;
  Seq at = seq;
  std::uint32_t kept = 0;
  Seq again;  // the first run of bytes that had come before
  std::uint32_t again_size = 0;
  std::uint32_t previous = none;
  std::uint32_t next = stream.islands;
  const auto fill_until = [&](Seq stop) {
    if (!(at < stop)) return true;
    const std::uint32_t want = stop - at;
    const std::uint32_t got = fill_gap(c, t, stream, previous, at, {data + (at - seq), want});
    kept += got;
    at = stop;
    return got == want;
  };
  while (next != none && c.islands[next].begin < end) {
    const Seq begin = c.islands[next].begin;
    const Seq over = end_of(c.islands[next]);
    if (over > at) {
      if (begin > at && !fill_until(begin)) break;
      if (again_size == 0) {
        again = at;
        again_size = (over < end ? over : end) - at;
      }
      at = over;
    }
    previous = next;
    next = c.islands[next].next;
  }
  if (at < end && (next == none || !(c.islands[next].begin < end))) fill_until(end);
  // RFC 2883 §4: the block that holds the repetition is the next one told of.
  if (kept > 0 || again_size > 0) remember(c, stream, again_size > 0 ? again : seq);
  if (again_size > 0) note_duplicate(c, t, again, again + again_size);
  // The peer goes on with a small window, whose odd segment must not wait for company.
  stream.quick_acks = Stream{}.quick_acks;
  settle_flag(t, stream);
  return kept;
}

void keep_fin(Context& c, Tcb& t, Seq seq) {
  prepare_data(c, t);
  Stream& stream = c.stream(t);
  std::uint32_t last = stream.islands;
  while (last != none && c.islands[last].next != none) last = c.islands[last].next;
  const bool absurd = last != none && end_of(c.islands[last]) > seq;
  if (absurd || (stream.fin_kept && stream.fin_at != seq)) {
    c.count_drop(Drop::tcp_not_kept);
  } else {
    stream.fin_kept = true;
    stream.fin_at = seq;
  }
  settle_flag(t, stream);
}

std::uint32_t until_kept_fin(const Context& c, const Tcb& t, Seq at) {
  if (!t.has(Flag::gaps) || !c.stream(t).fin_kept) return unlimited;
  const Seq fin_at = c.stream(t).fin_at;
  return at < fin_at ? fin_at - at : 0;
}

std::uint32_t drain_islands(Context& c, Tcb& t) {
  if (!t.has(Flag::gaps)) return 0;
  Stream& stream = c.stream(t);
  std::uint32_t moved = 0;
  while (stream.islands != none && c.islands[stream.islands].begin <= t.rcv_nxt) {
    Island& first = c.islands[stream.islands];
    const std::uint32_t old = std::min(t.rcv_nxt - first.begin, first.chain.bytes);
    if (old > 0) note_duplicate(c, t, first.begin, first.begin + old);
    consume(c, stream, first, old);
    const std::uint32_t n = move_to_reader(c, t, stream, first);
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

void drop_oldest_islands(Context& c, std::uint32_t blocks) {
  while (c.buffers.available_blocks() < blocks && drop_oldest(c, nullptr)) {
  }
}

void note_duplicate(Context& c, Tcb& t, Seq begin, Seq end) {
  if (!t.has(Flag::sack)) return;
  prepare_data(c, t);
  Stream& stream = c.stream(t);
  if (stream.has(dsack_noted)) return;
  stream.set(dsack_noted);
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
  Runs runs;
  find_runs(c, stream, runs);
  const auto say = [&](Run& run) {
    if (run.said || n == most) return;
    run.said = true;
    edges[2 * n] = run.begin.value;
    edges[2 * n + 1] = run.end.value;
    ++n;
  };
  for (const Seq arrived : stream.recent) {
    for (unsigned i = 0; i < runs.count; ++i) {
      if (runs.list[i].has(arrived)) say(runs.list[i]);
    }
  }
  for (unsigned i = 0; i < runs.count; ++i) say(runs.list[i]);
  settle_flag(t, stream);
  return n;
}

}  // namespace salut::tcp
