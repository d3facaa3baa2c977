// The application's timers: a pool of fixed size whose entries share the wheel of the connections.
//
// Their ids on the wheel come after those of the connections. cancel() frees the slot at once and
// leaves its entry on the wheel, as a connection that closes does: the next timer of the slot
// inherits it. If that needs an earlier entry and the wheel has no room for one (wheel.hpp), set()
// refuses.
//
// Deadlines are Instants and not ticks, so that a timer may be set for longer than the wheel
// reaches: its entry fires after 13 days and is armed again.
//
// Threads: one. 24 bytes per timer, touched as used, beside the wheel's 21. All calls are O(1).
#pragma once

#include <cstdint>
#include <optional>
#include <tl/expected.hpp>

#include "base/memory.hpp"
#include "base/tick.hpp"
#include "salut/error.hpp"
#include "salut/time.hpp"
#include "salut/timer.hpp"
#include "timer/wheel.hpp"

namespace salut::timer {

class AppTimers {
 public:
  // Timers on the wheel are `first_id` and the `capacity - 1` ids after it. `tag` goes into the
  // upper bits of every TimerId.
  AppTimers(Memory& memory, std::uint32_t capacity, std::uint32_t first_id, std::uint32_t tag)
      : first_id_(first_id), tag_(tag), slots_(memory, capacity, Use::timers) {}

  // Errc::invalid_argument: `after` is below 0. Errc::overload: the pool is empty, or the wheel has
  // no room.
  tl::expected<TimerId, Errc> set(Wheel& wheel, Instant now, Duration after, std::uint64_t user);
  // Errc::not_found: the timer has fired or was cancelled.
  Errc cancel(TimerId id);

  bool owns(std::uint32_t id) const { return id >= first_id_; }
  void prefetch(std::uint32_t id) const { __builtin_prefetch(&slots_[id - first_id_], 1); }
  // Is it the live entry of its slot? For Wheel::advance().
  bool live(const Entry& entry) const {
    return slots_[entry.id - first_id_].wheel_at == entry.deadline.value;
  }
  // To be called when an entry fires. If its timer is due, ends the timer and returns its user
  // value.
  std::optional<std::uint64_t> fire(Wheel& wheel, const Entry& entry, Instant now);

  std::uint32_t in_use() const { return in_use_; }

 private:
  static constexpr std::uint32_t none = 0xffff'ffff;

  struct Slot {
    std::uint64_t user = 0;  // in a free slot: the next free slot
    Instant deadline;
    std::uint32_t wheel_at = 0;    // the wheel's live entry; belongs to the slot, not to the timer
    std::uint32_t generation = 0;  // odd while a timer has it
  };
  static_assert(sizeof(Slot) == 24);

  static bool arm(Wheel& wheel, std::uint32_t id, Slot& slot, Instant now);
  std::uint32_t acquire();
  void release(std::uint32_t index);

  std::uint32_t first_id_;
  std::uint32_t tag_;
  FixedArray<Slot> slots_;
  std::uint32_t free_ = none;
  std::uint32_t untouched_ = 0;  // slots from here on were never used
  std::uint32_t in_use_ = 0;
};

}  // namespace salut::timer
