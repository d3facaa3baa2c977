// The TIME_WAIT arena: a connection waits here for 2MSL, in a record of 32 bytes.
//
// A record is appended to a chunk of the slot in which it will expire; the slots form a ring over
// time. Expiry scans the due slot from its front and hands out the due records in batches, so that
// the owner can prefetch the flow table's buckets for all of them. It frees whole chunks. There is
// no free list of records, no timer per record, and one pointer to follow per chunk.
//
// The bet: every 2MSL is the same, so that records are appended in the order in which they expire.
// Then each expires at its exact tick. With different times a record may wait for one before it in
// its slot: it is never early and at most slot_ticks() late.
//
// A record whose 2MSL starts again (a FIN came again) stays where it is, with its new deadline; it
// moves to the slot of that when its old slot is due. So a peer that repeats a FIN takes no room.
// Where no chunk is free for the move, its 2MSL ends as if it had not started again.
//
// A record that ends early (its port is reused) is only marked dead. Its memory comes back with the
// chunk, at once if the whole chunk is dead. So dead records take room too, as long as their chunk
// has a live one: each was a connection, and takes no more than one that waits.
//
// Memory: capacity * 32 bytes, 1/32 more for the chunks' headers, and 512 bytes per slot (at most
// 8,192 slots, 4 MiB), so that part-filled chunks never cost capacity, however deadlines spread.
// Memory is touched when it is first used, and the chunk freed last is taken next. 100 M records
// take 3.3 GB.
//
// Limits: a deadline is at most `longest` ticks after the last expire(). append() refuses one that
// the ring does not reach, which happens only if expire() was not called for a long time.
//
// Threads: one. Cost at 10 M records: append 7 ns, expiry 3 ns beside the owner's work.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/key.hpp"
#include "base/memory.hpp"
#include "base/tick.hpp"

namespace salut::flow {

// What RFC 9293 §3.10.7.4 and RFC 6191 need to know about a connection in TIME_WAIT.
struct Record {
  Key key;
  std::uint32_t snd_nxt = 0;
  std::uint32_t rcv_nxt = 0;
  std::uint32_t ts_recent = 0;
  std::uint32_t deadline = 0;     // a Tick's value
  std::uint16_t rcv_wnd = 0;      // scaled, as the header carries it
  std::uint8_t flags = 0;         // the owner's
  std::uint8_t dead : 1 = 0;      // the arena's
  std::uint8_t answered : 7 = 0;  // the owner's: when a segment was last answered
};
static_assert(sizeof(Record) == 32);

// Record::flags: the connection was IPv6. The key's addresses are folded, and the owner keeps the
// whole addresses in an array of its own, at the same index (another 32 bytes).
inline constexpr std::uint8_t record_ip6 = 0x80;

struct Expired {
  std::uint32_t index;
  const Record* record;
};

class TimeWait {
 public:
  static constexpr std::uint32_t none = 0xffff'ffff;  // indices are below 2^31
  static constexpr unsigned max_batch = 64;
  static constexpr std::uint32_t two_hours = 6'866'456;  // ticks

  // `longest`: the largest 2MSL, in ticks. There are at most 8,192 slots of 16 ticks each, or of
  // the next power of two that reaches `longest`: a small value makes the slots narrow. Throws
  // std::invalid_argument if `capacity` needs indices of 2^31 or more.
  TimeWait(Memory& memory, std::uint32_t capacity, Tick start, std::uint32_t longest = two_hours);

  // The record's index, or none if the arena is full.
  std::uint32_t append(const Record& record);

  Record& operator[](std::uint32_t index) { return records_[index]; }
  const Record& operator[](std::uint32_t index) const { return records_[index]; }
  void prefetch(std::uint32_t index) const { __builtin_prefetch(records_.data() + index); }

  // REQUIRES: the record is live. Its index may be given out again at once.
  void kill(std::uint32_t index);

  // Gives a live record a later deadline. False, and the old one stays, where append() would refuse
  // the new one for its distance. REQUIRES: not before the old one.
  bool restart(std::uint32_t index, Tick deadline);

  // Calls f(std::span<const Expired>) with the live records whose deadline has come, in their
  // order, up to 64 at a time; after the call they are gone. Calls moved(from, to) for each that
  // was restarted and has another index now; the record at `from` is still readable. Looks at no
  // more than `budget` records, counting dead ones, and returns how many. Neither may append, kill,
  // restart or expire.
  template <class F, class Moved>
  unsigned expire(Tick now, unsigned budget, F&& f, Moved&& moved) {
    if (now < quiet_until_) [[likely]] {
      position_ = std::max(position_, now);
      return 0;
    }
    unsigned used = 0;
    while (used < budget) {
      std::array<Expired, max_batch> batch;
      std::array<std::uint32_t, max_batch> late;
      const Scan scan = scan_due(now, budget - used, batch, late);
      used += scan.looked_at;
      if (scan.expired != 0) f(std::span<const Expired>(batch.data(), scan.expired));
      for (unsigned i = 0; i < scan.late; ++i) moved(late[i], move(late[i]));
      if (scan.looked_at != 0) {
        retire(scan);
      } else if (!step(now)) {
        break;
      }
    }
    return used;
  }
  // For an owner that never restarts one.
  template <class F>
  unsigned expire(Tick now, unsigned budget, F&& f) {
    return expire(now, budget, f, [](std::uint32_t, std::uint32_t) {});
  }

  // Live records.
  std::uint32_t size() const { return live_; }
  std::uint32_t capacity() const { return capacity_; }
  // Every index is below it.
  std::uint32_t index_end() const { return static_cast<std::uint32_t>(records_.size()); }
  // A lower bound for the next expiry.
  std::optional<Tick> next() const {
    return live_ != 0 ? std::optional(quiet_until_) : std::nullopt;
  }
  std::uint32_t slot_ticks() const { return 1u << slot_shift_; }

 private:
  static constexpr unsigned chunk_records = 16;
  static constexpr std::uint32_t max_slots = 8192;

  // Chunk 0 is none.
  struct Chunk {
    std::uint32_t next;
    std::uint32_t previous;
    std::uint32_t slot;
    std::uint16_t fill;
    std::uint16_t live;
  };
  struct Slot {
    std::uint32_t first;
    std::uint32_t last;
  };
  struct Scan {
    unsigned looked_at = 0;
    unsigned expired = 0;
    unsigned late = 0;  // were restarted, and belong in another slot
  };

  std::uint32_t slot_of(Tick tick) const {
    return (tick.value >> slot_shift_) & (static_cast<std::uint32_t>(slots_.size()) - 1);
  }
  bool reaches(Tick tick) const {
    const std::uint32_t base = position_.value >> slot_shift_ << slot_shift_;
    return (tick.value - base) >> slot_shift_ < slots_.size();
  }
  std::uint32_t grow(std::uint32_t slot);
  std::uint32_t move(std::uint32_t index);
  void release(std::uint32_t chunk);
  Scan scan_due(Tick now, unsigned budget, std::array<Expired, max_batch>& batch,
                std::array<std::uint32_t, max_batch>& late) const;
  void retire(const Scan& scan);
  bool step(Tick now);
  std::optional<std::uint32_t> first_occupied() const;

  std::uint32_t capacity_;
  std::uint32_t live_ = 0;
  unsigned slot_shift_;
  Tick position_;          // no record is in an earlier slot than this tick's
  Tick quiet_until_;       // nothing expires before this tick
  unsigned consumed_ = 0;  // records at the front of the position's slot that are gone

  std::uint32_t free_ = 0;       // chunks that were used before, through Chunk::next
  std::uint32_t untouched_ = 1;  // chunks from here on never were
  std::uint32_t unused_;         // chunks, of both kinds

  FixedArray<Slot> slots_;  // a power of two
  FixedArray<std::uint64_t> occupied_;
  FixedArray<Chunk> chunks_;
  FixedArray<Record> records_;
};

}  // namespace salut::flow
