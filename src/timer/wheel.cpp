#include "timer/wheel.hpp"

#include <cassert>
#include <cstring>

namespace salut::timer {

namespace {

constexpr std::uint64_t small = 256;  // so that few ids leave room for a burst of arms

// Stale entries arise only below 3/2 * ids + 4 * small, and live ones are at most `ids`.
std::uint64_t most_entries(std::uint64_t ids) { return ids + ids + ids / 2 + 4 * small; }

}  // namespace

// Each slot may have one part-filled chunk, one more may be between slots, and chunk 0 is none.
Wheel::Wheel(Memory& memory, std::uint32_t ids, Tick start)
    : position_(start),
      sweep_mark_(std::uint64_t{ids} + ids / 4 + small),
      stale_limit_(std::uint64_t{ids} + ids / 2 + 4 * small),
      slots_(memory, all_slots, Use::timers),
      next_(memory, most_entries(ids) / chunk_entries + all_slots + 2, Use::timers),
      chunks_(memory, next_.size() * chunk_entries, Use::timers) {}

std::optional<Tick> Wheel::next() const {
  if (entries_ == 0) return std::nullopt;
  for (unsigned level = 0; level < levels; ++level) {
    if (slots_[current(level)].head != 0) return position_;
  }
  return next_occupied();
}

// A chunk is always there: see most_entries(), and `small` for the rounding.
void Wheel::grow(unsigned slot) {
  std::uint32_t chunk = free_;
  if (chunk != 0) {
    free_ = next_[chunk];
    __builtin_prefetch(&next_[free_]);
    __builtin_prefetch(entries_of(free_), 1);
  } else {
    assert(untouched_ < next_.size());
    chunk = untouched_++;
  }
  next_[chunk] = slots_[slot].head;
  slots_[slot] = Slot{chunk, 0};
  occupied_[slot / 64] |= std::uint64_t{1} << slot % 64;
}

void Wheel::release(std::uint32_t chunk) {
  next_[chunk] = free_;
  free_ = chunk;
}

// Prefetches the chunk after `chunk`, whose own lines were prefetched with its predecessor.
void Wheel::prefetch_after(std::uint32_t chunk) const {
  const std::uint32_t after = next_[chunk];
  __builtin_prefetch(&next_[after]);
  const Entry* const entries = &chunks_[std::size_t{after} * chunk_entries];
  for (unsigned i = 0; i < chunk_entries; i += line_entries) __builtin_prefetch(entries + i);
}

// Takes up to `most` entries, newest first. The slot may lose the chunk where the sweep was, so
// that the sweep starts at the head of this slot again.
unsigned Wheel::take(unsigned index, unsigned most, Entry* out) {
  Slot& slot = slots_[index];
  if (index == sweep_slot_) sweep_after_ = 0;
  unsigned taken = 0;
  while (taken < most && slot.head != 0) {
    const unsigned n = std::min(most - taken, slot.fill);
    slot.fill -= n;
    std::memcpy(out + taken, entries_of(slot.head) + slot.fill, n * sizeof(Entry));
    taken += n;
    if (slot.fill != 0) break;
    const std::uint32_t rest = next_[slot.head];
    release(slot.head);
    slot = Slot{rest, rest != 0 ? chunk_entries : 0};
    prefetch_after(rest);
  }
  if (slot.head == 0) occupied_[index / 64] &= ~(std::uint64_t{1} << index % 64);
  entries_ -= taken;
  return taken;
}

// Moves entries of the slot that the position has entered to slots of lower levels: the byte of the
// deadline that put them into this level is now equal to the position's.
unsigned Wheel::deal_out(unsigned slot, unsigned budget) {
  std::array<Entry, max_batch> batch;
  const unsigned n = take(slot, std::min(budget, max_batch), batch.data());
  for (unsigned i = 0; i < n; ++i) append(batch[i]);
  entries_ += n;
  return n;
}

// The first tick at which a slot ahead of the position begins. Lower levels are nearer. Only the
// uppermost wraps: its slots reach once round, half of them in use.
std::optional<Tick> Wheel::next_occupied() const {
  for (unsigned level = 0; level < levels; ++level) {
    const unsigned shift = level * level_bits;
    const unsigned own = (position_.value >> shift) % level_slots;
    const unsigned span = level + 1 < levels ? level_slots - own : level_slots;
    for (unsigned ahead = 1; ahead < span;) {
      const unsigned slot = (own + ahead) % level_slots;
      const std::uint64_t word = occupied_[(level * level_slots + slot) / 64] >> slot % 64;
      if (word == 0) {
        ahead += 64 - slot % 64;
        continue;
      }
      ahead += static_cast<unsigned>(std::countr_zero(word));
      if (ahead >= span) break;
      const std::uint32_t block = position_.value >> shift << shift;
      return Tick{block + (ahead << shift)};
    }
  }
  return std::nullopt;
}

// Moves the position to the next tick with an entry, at most to `now`. False: there is none by
// `now`.
bool Wheel::step(Tick now) {
  if (now <= position_) return false;
  const std::optional<Tick> next = next_occupied();
  if (!next || *next > now) {
    position_ = now;
    return false;
  }
  position_ = *next;
  return true;
}

// Empties and unlinks one chunk, the next of the sweep's round. The live entries go back to the
// head of the same slot, where the round has been already. 0: the slot had no more; the round goes
// on to the next slot.
unsigned Wheel::take_for_sweep(Entry* out) {
  Slot& slot = slots_[sweep_slot_];
  const bool at_head = sweep_after_ == 0;
  const std::uint32_t chunk = at_head ? slot.head : next_[sweep_after_];
  if (chunk == 0) {
    sweep_slot_ = (sweep_slot_ + 1) % all_slots;
    sweep_after_ = 0;
    return 0;
  }
  const unsigned n = at_head ? slot.fill : chunk_entries;
  if (at_head) return take(sweep_slot_, n, out);
  std::memcpy(out, entries_of(chunk), n * sizeof(Entry));
  next_[sweep_after_] = next_[chunk];
  release(chunk);
  entries_ -= n;
  return n;
}

}  // namespace salut::timer
