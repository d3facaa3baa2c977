// Next hops that did not answer, until everybody who waits for one has been told.
//
// Connections are not chained by their next hop: that would be a line of cache in each for the sake
// of something rare. Instead the slots are walked once for all hops that failed meanwhile, some
// thousands per turn, so that a bench against a dead network does not stall the connections of the
// living: a million slots take 250 turns.
//
// Threads: the stack's lcore. Nothing is allocated after the start. 16 KiB.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>

namespace salut::stack {

class Unreachable {
 public:
  static constexpr std::uint32_t slots_per_turn = 4'096;

  bool empty() const { return !walking_ && !waiting_; }

  // Hops that fail during a walk are for the next.
  void add(std::uint16_t hop) {
    next_.set(hop);
    waiting_ = true;
  }

  // Calls tell(slot, hops) for so many of the `slots`; the hops are those that failed.
  template <typename Tell>
  void walk(std::uint32_t slots, Tell tell) {
    if (!walking_) {
      walking_ = waiting_;
      waiting_ = false;
      now_ = next_;
      next_.reset();
      at_ = 0;
    }
    for (std::uint32_t left = slots_per_turn; walking_ && left > 0; --left) {
      if (at_ == slots) {
        walking_ = false;
      } else {
        tell(at_++, now_);
      }
    }
  }

  using Hops = std::bitset<65'536>;

 private:
  Hops now_;
  Hops next_;
  bool walking_ = false;
  bool waiting_ = false;
  std::uint32_t at_ = 0;
};

}  // namespace salut::stack
