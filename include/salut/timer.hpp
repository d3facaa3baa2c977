// A handle of a timer of Stack::set_timer(): 8 bytes, a value.
//
// It names a slot of one stack and the generation of that slot: the handle of a timer that has
// fired or was cancelled stays invalid, even after the slot has another timer.
#pragma once

#include <compare>
#include <cstdint>

namespace salut {

class TimerId {
 public:
  constexpr TimerId() = default;
  constexpr TimerId(std::uint32_t slot, std::uint32_t generation)
      : slot_(slot), generation_(generation) {}

  constexpr explicit operator bool() const { return generation_ != 0; }

  // The two halves. A program may use them as a key, and needs them for nothing else.
  constexpr std::uint32_t slot() const { return slot_; }
  constexpr std::uint32_t generation() const { return generation_; }
  friend constexpr auto operator<=>(const TimerId&, const TimerId&) = default;

 private:
  std::uint32_t slot_ = 0;        // bits 0..25 in the stack's pool, bits 26..31 the stack
  std::uint32_t generation_ = 0;  // odd while the timer runs; 0 names nothing
};

static_assert(sizeof(TimerId) == 8);

}  // namespace salut
