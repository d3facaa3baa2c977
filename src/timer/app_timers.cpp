#include "timer/app_timers.hpp"

#include <algorithm>

namespace salut::timer {

namespace {
// Half of what the wheel reaches: 13 days.
constexpr Duration reach{std::int64_t{1} << (30 + tick_shift)};
}  // namespace

tl::expected<TimerId, Errc> AppTimers::set(Wheel& wheel, Instant now, Duration after,
                                           std::uint64_t user) {
  if (after < Duration{0}) return tl::unexpected(Errc::invalid_argument);
  const std::uint32_t index = acquire();
  if (index == none) return tl::unexpected(Errc::overload);
  Slot& slot = slots_[index];
  slot.user = user;
  slot.deadline = now + std::min(after, Instant::max() - now);
  if (!arm(wheel, first_id_ + index, slot, now)) {
    release(index);
    return tl::unexpected(Errc::overload);
  }
  return TimerId(index | tag_, slot.generation);
}

// A timer that is due now fires in the next turn and does not wait for the next tick.
bool AppTimers::arm(Wheel& wheel, std::uint32_t id, Slot& slot, Instant now) {
  const Duration after = std::min(slot.deadline - now, reach);
  const Tick at = after <= Duration{0} ? tick_of(now) : tick_after(now, after);
  return wheel.arm(id, slot.wheel_at, at);
}

Errc AppTimers::cancel(TimerId id) {
  const std::uint32_t index = id.slot() ^ tag_;
  const bool was_given = id.generation() % 2 != 0 && index < slots_.size();
  if (!was_given || slots_[index].generation != id.generation()) return Errc::not_found;
  release(index);
  return Errc::ok;
}

std::optional<std::uint64_t> AppTimers::fire(Wheel& wheel, const Entry& entry, Instant now) {
  if (!live(entry)) return std::nullopt;
  const std::uint32_t index = entry.id - first_id_;
  Slot& slot = slots_[index];
  slot.wheel_at = 0;
  if (slot.generation % 2 == 0) return std::nullopt;  // cancelled
  if (slot.deadline > now) {
    arm(wheel, entry.id, slot, now);
    return std::nullopt;
  }
  const std::uint64_t user = slot.user;
  release(index);
  return user;
}

std::uint32_t AppTimers::acquire() {
  std::uint32_t index = free_;
  if (index != none) {
    free_ = static_cast<std::uint32_t>(slots_[index].user);
  } else if (untouched_ < slots_.size()) {
    index = untouched_++;
  } else {
    return none;
  }
  ++in_use_;
  ++slots_[index].generation;
  return index;
}

void AppTimers::release(std::uint32_t index) {
  Slot& slot = slots_[index];
  ++slot.generation;
  slot.user = free_;
  free_ = index;
  --in_use_;
}

}  // namespace salut::timer
