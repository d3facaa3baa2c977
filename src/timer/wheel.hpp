// A hierarchical timer wheel without cancellation.
//
// All timers of a connection are deadlines in its TCB and its Stream; the wheel holds {id,
// deadline} for one of them or for an earlier time. The owner keeps one word per id, `at`: the
// deadline of the id's live entry, 0 if none. The word belongs to the id, not to the connection: a
// connection that closes leaves its entry in the wheel, and the next one with the same id inherits
// it.
//
//   arm later     costs a comparison: the entry fires early, the owner looks, and arms again
//   arm earlier   appends a second entry; the first is stale from then on
//   cancel        does not exist; nor is a line of the wheel touched by sending or by closing
//   fire          an entry whose deadline is not `at` is stale: skip it. Else clear `at`, see what
//                 is due, and arm again if anything is left.
//
// Entries are 8 bytes in chunks of 32 that hang off 4 x 256 slots: an append is sequential in
// memory, an expiry a scan. The bet against intrusive lists: those touch two random neighbours on
// each start and stop, which is two cache misses; here the only random line is the owner's, in
// cache when it arms and prefetched, for a batch of up to 64, when it fires.
//
// Slots are chosen by the highest byte in which deadline and position differ; the slot of the
// position in an upper level is dealt out to lower ones as the position enters it. Bitmaps of
// occupied slots let the position leap over any stretch in which nothing happens.
//
// Memory has a strict bound, 5/2 entries per id (and the slack of part-filled chunks), because at
// 3/2 arm() refuses to make an entry stale: then the timer fires late, at the live entry's
// deadline, and arm() says so. That does not happen if the owner passes `live` to advance() and a
// budget of 16 per arm that made an entry stale: above 5/4 entries per id a sweep removes stale
// ones.
//
// Limits: deadlines are less than 2^31 ticks (26 days) from the position. The order within a tick
// is not defined. An entry never fires early, and late only if the budget was spent.
//
// Threads: one. 21 bytes per id, touched as used. Cost at 10 M pending, on a 2.6 GHz EPYC: arm 6
// ns, push later 2 ns, fire 20 ns with a cold line of the owner's (bench/timer_wheel.cpp).
//
//   wheel.arm(id, tcb.wheel_at, now + rto);
//   wheel.advance(now, 256,
//       [&](std::span<const Entry> batch) { visit(batch, /* prefetch */, /* as above */); },
//       [&](const Entry& e) { return tcbs[e.id].wheel_at == e.deadline.value; });
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>

#include "base/memory.hpp"
#include "base/tick.hpp"

namespace salut::timer {

struct Entry {
  std::uint32_t id = 0;
  Tick deadline;
};
static_assert(sizeof(Entry) == 8);

// Calls each(entry) for all of a batch, and prefetch(entry) 24 entries ahead of it, so that memory
// loads run while owners are worked on. This takes 2 ns of 22 less than all prefetches first
// (bench/timer_wheel.cpp).
template <class Prefetch, class Each>
void visit(std::span<const Entry> batch, Prefetch&& prefetch, Each&& each) {
  constexpr std::size_t ahead = 24;
  for (const Entry& entry : batch.first(std::min(ahead, batch.size()))) prefetch(entry);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (i + ahead < batch.size()) prefetch(batch[i + ahead]);
    each(batch[i]);
  }
}

class Wheel {
 public:
  static constexpr unsigned max_batch = 64;

  // `ids`: how many different ids there are; they may be any 32-bit values.
  Wheel(Memory& memory, std::uint32_t ids, Tick start);

  // Makes sure that an entry of `id` fires at `deadline` or before. A deadline that has passed
  // fires in the next advance(). False: no memory for another entry, so that the live entry fires
  // later than was asked; impossible while `at` is 0.
  bool arm(std::uint32_t id, std::uint32_t& at, Tick deadline) {
    if (at != 0 && Tick{at} <= deadline) [[likely]]
      return true;
    deadline.value += deadline.value == 0 ? 1 : 0;  // 0 stands for "none" in `at`
    if (at != 0) {
      if (entries_ >= stale_limit_) [[unlikely]]
        return false;
      ++overtaken_;
    }
    at = deadline.value;
    append(Entry{id, deadline});
    ++entries_;
    return true;
  }

  // Fires what is due at `now`, batch by batch, in the order of deadlines. Handles at most `budget`
  // entries (fired, dealt out to lower slots, or swept) and returns how many; what is left is due
  // in the next call. fire(std::span<const Entry>) may arm. live(const Entry&) says whether the
  // entry is the owner's live one, and must not arm.
  template <class Fire, class Live>
  unsigned advance(Tick now, unsigned budget, Fire&& fire, Live&& live) {
    unsigned used = 0;
    if (entries_ > sweep_mark_) [[unlikely]] {
      used =
          sweep(static_cast<unsigned>(std::min<std::uint64_t>(budget / 2, 8 * overtaken_)), live);
    }
    overtaken_ = 0;
    used += turn(now, budget - std::min(used, budget), fire);
    if (entries_ > sweep_mark_ && used < budget) [[unlikely]]
      used += sweep(budget - used, live);
    return used;
  }

  // Without `live` nothing is swept: for owners that rarely arm earlier.
  template <class Fire>
  unsigned advance(Tick now, unsigned budget, Fire&& fire) {
    overtaken_ = 0;
    return turn(now, budget, fire);
  }

  // No entry at all, live or stale.
  bool idle() const { return entries_ == 0; }
  // A lower bound for the next entry: nothing happens before.
  std::optional<Tick> next() const;
  // Live and stale.
  std::uint64_t entries() const { return entries_; }

 private:
  static constexpr unsigned levels = 4;
  static constexpr unsigned level_bits = 8;
  static constexpr unsigned level_slots = 1u << level_bits;
  static constexpr unsigned all_slots = levels * level_slots;
  static constexpr unsigned chunk_entries = 32;
  static constexpr unsigned line_entries = 64 / sizeof(Entry);

  // All chunks of a slot but its head are full.
  struct Slot {
    std::uint32_t head = 0;  // chunk; 0 if the slot is empty
    std::uint32_t fill = 0;  // entries in the head, at least 1
  };

  Entry* entries_of(std::uint32_t chunk) {
    return &chunks_[static_cast<std::size_t>(chunk) * chunk_entries];
  }
  // The slot of `deadline`, seen from the position.
  unsigned slot_of(Tick deadline) const {
    const Tick at = std::max(deadline, position_);
    const std::uint32_t differ = at.value ^ position_.value;
    const unsigned level = static_cast<unsigned>(31 - std::countl_zero(differ | 1)) / level_bits;
    return level * level_slots + (at.value >> (level * level_bits)) % level_slots;
  }
  unsigned current(unsigned level) const {
    return level * level_slots + (position_.value >> (level * level_bits)) % level_slots;
  }
  void append(Entry entry) {
    const unsigned index = slot_of(entry.deadline);
    Slot& slot = slots_[index];
    if (slot.head == 0 || slot.fill == chunk_entries) [[unlikely]]
      grow(index);
    Entry* const to = entries_of(slot.head) + slot.fill++;
    *to = entry;
    __builtin_prefetch(to + line_entries, 1);
  }

  void grow(unsigned slot);
  void release(std::uint32_t chunk);
  void prefetch_after(std::uint32_t chunk) const;
  unsigned take(unsigned slot, unsigned most, Entry* out);
  unsigned deal_out(unsigned slot, unsigned budget);
  bool step(Tick now);
  std::optional<Tick> next_occupied() const;
  unsigned take_for_sweep(Entry* out);

  template <class Fire>
  unsigned turn(Tick now, unsigned budget, Fire& fire) {
    unsigned used = 0;
    while (used < budget) {
      unsigned level = levels - 1;
      while (level > 0 && slots_[current(level)].head == 0) --level;
      if (level > 0) {
        used += deal_out(current(level), budget - used);
      } else if (slots_[current(0)].head != 0) {
        std::array<Entry, max_batch> batch;
        const unsigned n = take(current(0), std::min(budget - used, max_batch), batch.data());
        used += n;
        fire(std::span<const Entry>(batch.data(), n));
      } else if (!step(now)) {
        break;
      }
    }
    return used;
  }

  // Goes round the slots for ever, a chunk at a time, and puts back what is live.
  template <class Live>
  unsigned sweep(unsigned budget, Live& live) {
    unsigned used = 0;
    while (used < budget && entries_ > sweep_mark_) {
      std::array<Entry, chunk_entries> taken;
      const unsigned n = take_for_sweep(taken.data());
      const std::uint32_t rest = slots_[sweep_slot_].head;
      for (unsigned i = 0; i < n; ++i) {
        if (live(static_cast<const Entry&>(taken[i]))) {
          append(taken[i]);
          ++entries_;
        }
      }
      if (sweep_after_ == 0 && slots_[sweep_slot_].head != rest) {
        sweep_after_ = slots_[sweep_slot_].head;
      }
      used += n;
    }
    return used;
  }

  Tick position_;  // all earlier entries have fired; entries of this tick may still wait
  std::uint64_t entries_ = 0;
  std::uint64_t overtaken_ = 0;  // arms since the last advance() that made an entry stale
  std::uint64_t sweep_mark_ = 0;
  std::uint64_t stale_limit_ = 0;
  std::array<std::uint64_t, all_slots / 64> occupied_ = {};

  std::uint32_t free_ = 0;       // chunks that were used before, through next_
  std::uint32_t untouched_ = 1;  // chunks from here on never were; 0 is no chunk
  unsigned sweep_slot_ = 0;
  std::uint32_t sweep_after_ = 0;  // the chunk of sweep_slot_ whose successor is next; 0: its head

  FixedArray<Slot> slots_;
  FixedArray<std::uint32_t> next_;  // by chunk
  FixedArray<Entry> chunks_;
};

}  // namespace salut::timer
