#include "flow/time_wait.hpp"

#include <bit>
#include <cassert>
#include <stdexcept>

namespace salut::flow {

namespace {

constexpr std::uint32_t far = 1u << 30;  // ticks; after so many an empty arena looks again

// `longest` spans (longest >> shift) slots; two more for its ends, one for an expire() that is
// late.
std::uint32_t slots_for(std::uint32_t longest, unsigned shift) { return (longest >> shift) + 3; }

unsigned shift_for(std::uint32_t longest, std::uint32_t max_slots) {
  unsigned shift = 4;
  while (slots_for(longest, shift) > max_slots) ++shift;
  return shift;
}

// In a slot only the last chunk may be part-filled; in the slot that is being scanned the first may
// be part-expired. Five more hold what one batch has moved elsewhere but not yet given back. Chunk
// 0 stands for none.
std::uint64_t chunks_for(std::uint64_t capacity, std::uint64_t slots, unsigned chunk_records) {
  const std::uint64_t chunks = capacity / chunk_records + std::min(capacity, slots) + 3 + 5;
  if (chunks * chunk_records >> 31 != 0) throw std::invalid_argument("too many TIME_WAIT records");
  return chunks;
}

}  // namespace

TimeWait::TimeWait(Memory& memory, std::uint32_t capacity, Tick start, std::uint32_t longest)
    : capacity_(capacity),
      slot_shift_(shift_for(longest, max_slots)),
      position_(start),
      quiet_until_(start + far),
      slots_(memory, std::bit_ceil(std::max(slots_for(longest, slot_shift_), 64u)), Use::time_wait),
      occupied_(memory, slots_.size() / 64, Use::time_wait),
      chunks_(memory, chunks_for(capacity, slots_.size(), chunk_records), Use::time_wait),
      records_(memory, chunks_.size() * chunk_records, Use::time_wait) {
  unused_ = static_cast<std::uint32_t>(chunks_.size()) - 1;
}

std::uint32_t TimeWait::append(const Record& record) {
  if (live_ >= capacity_) return none;
  const Tick tick = std::max(Tick{record.deadline}, position_);
  if (!reaches(tick)) return none;
  const std::uint32_t slot = slot_of(tick);
  std::uint32_t chunk = slots_[slot].last;
  if (chunk == 0 || chunks_[chunk].fill == chunk_records) {
    chunk = grow(slot);
    if (chunk == 0) return none;
  }
  ++chunks_[chunk].live;
  ++live_;
  const std::uint32_t index = chunk * chunk_records + chunks_[chunk].fill++;
  records_[index] = record;
  records_[index].dead = 0;
  quiet_until_ = std::min(quiet_until_, Tick{record.deadline});
  return index;
}

bool TimeWait::restart(std::uint32_t index, Tick deadline) {
  if (!reaches(deadline)) return false;
  records_[index].deadline = deadline.value;
  return true;
}

// To the slot of its deadline. The old place goes back with what was looked at.
std::uint32_t TimeWait::move(std::uint32_t index) {
  --live_;
  const std::uint32_t to = append(records_[index]);
  assert(to != none);  // scan_due() saw to it, and the ring reached it before
  return to;
}

void TimeWait::kill(std::uint32_t index) {
  records_[index].dead = 1;
  --live_;
  const std::uint32_t chunk = index / chunk_records;
  if (--chunks_[chunk].live == 0) release(chunk);
}

// Adds a chunk at the end of the slot. Returns it, or 0 if none is free.
std::uint32_t TimeWait::grow(std::uint32_t slot) {
  std::uint32_t chunk = free_;
  if (chunk != 0) {
    free_ = chunks_[chunk].next;
  } else {
    if (untouched_ == chunks_.size()) return 0;
    chunk = untouched_++;
  }
  --unused_;
  Slot& ends = slots_[slot];
  chunks_[chunk] = Chunk{0, ends.last, slot, 0, 0};
  if (ends.last != 0) {
    chunks_[ends.last].next = chunk;
  } else {
    ends.first = chunk;
    occupied_[slot / 64] |= std::uint64_t{1} << slot % 64;
  }
  ends.last = chunk;
  return chunk;
}

void TimeWait::release(std::uint32_t chunk) {
  const Chunk& gone = chunks_[chunk];
  Slot& ends = slots_[gone.slot];
  if (ends.first == chunk && gone.slot == slot_of(position_)) consumed_ = 0;
  (gone.previous != 0 ? chunks_[gone.previous].next : ends.first) = gone.next;
  (gone.next != 0 ? chunks_[gone.next].previous : ends.last) = gone.previous;
  if (ends.first == 0) occupied_[gone.slot / 64] &= ~(std::uint64_t{1} << gone.slot % 64);
  chunks_[chunk].next = free_;
  free_ = chunk;
  ++unused_;
}

// Scans the position's slot from its front to the first live record that is not due.
TimeWait::Scan TimeWait::scan_due(Tick now, unsigned budget, std::array<Expired, max_batch>& batch,
                                  std::array<std::uint32_t, max_batch>& late) const {
  Scan scan;
  unsigned at = consumed_;
  const std::uint32_t own = slot_of(position_);
  std::uint32_t chunk = slots_[own].first;
  for (; chunk != 0; chunk = chunks_[chunk].next, at = 0) {
    const std::uint32_t next = chunks_[chunk].next;
    for (unsigned r = 0; r < chunk_records; r += 2) {
      __builtin_prefetch(records_.data() + std::size_t{next} * chunk_records + r);
    }
    for (; at < chunks_[chunk].fill; ++at) {
      if (scan.looked_at == budget || scan.expired + scan.late == max_batch) return scan;
      const std::uint32_t index = chunk * chunk_records + at;
      const Record& record = records_[index];
      if (record.dead == 0) {
        const Tick deadline{record.deadline};
        const bool elsewhere = slot_of(deadline) != own;
        // Its old deadline has passed when its slot is over.
        const bool over = elsewhere && slot_of(now) != own && scan.late >= unused_;
        if (deadline <= now || over) {
          batch[scan.expired++] = Expired{index, &record};
        } else if (elsewhere && scan.late < unused_) {
          late[scan.late++] = index;
        } else {
          return scan;
        }
      }
      ++scan.looked_at;
    }
  }
  return scan;
}

// Removes the records that the scan looked at: whole chunks, and the front of one.
void TimeWait::retire(const Scan& scan) {
  live_ -= scan.expired;
  const Slot& ends = slots_[slot_of(position_)];
  unsigned left = scan.looked_at;
  while (left != 0) {
    const std::uint32_t chunk = ends.first;
    const unsigned here = chunks_[chunk].fill - consumed_;
    if (left >= here) {
      release(chunk);
      left -= here;
      continue;
    }
    for (const unsigned end = consumed_ + left; consumed_ < end; ++consumed_) {
      if (records_[chunk * chunk_records + consumed_].dead == 0) --chunks_[chunk].live;
    }
    left = 0;
  }
}

// Moves the position to the next slot that has a record, at most to `now`. False: nothing more is
// due by `now`.
bool TimeWait::step(Tick now) {
  const std::optional<std::uint32_t> ahead = first_occupied();
  if (!ahead) {
    position_ = std::max(position_, now);
    quiet_until_ = now + far;
    return false;
  }
  const std::uint32_t base = position_.value >> slot_shift_ << slot_shift_;
  const Tick begin{base + (*ahead << slot_shift_)};
  if (*ahead != 0 && begin <= now) {
    position_ = begin;
    return true;
  }
  position_ = std::max(position_, now);
  const std::uint32_t first = slots_[slot_of(begin)].first * chunk_records;
  const Record& record = records_[first + (*ahead == 0 ? consumed_ : 0)];
  // Neither a dead record nor one that was restarted holds back those behind it.
  const Tick deadline{record.deadline};
  const bool gone = record.dead != 0 || slot_of(deadline) != slot_of(begin);
  quiet_until_ = gone ? begin : deadline;
  return false;
}

// How many slots the next occupied one is ahead of the position's own.
std::optional<std::uint32_t> TimeWait::first_occupied() const {
  const auto slots = static_cast<std::uint32_t>(slots_.size());
  const std::uint32_t own = slot_of(position_);
  for (std::uint32_t ahead = 0; ahead < slots;) {
    const std::uint32_t slot = (own + ahead) & (slots - 1);
    const std::uint64_t word = occupied_[slot / 64] >> slot % 64;
    if (word != 0) return ahead + static_cast<std::uint32_t>(std::countr_zero(word));
    ahead += 64 - slot % 64;
  }
  return std::nullopt;
}

}  // namespace salut::flow
