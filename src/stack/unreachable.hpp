// Next hops that did not answer, until every connection that waits for one was told.
//
// Connections are not chained by their next hop: that would cost each a cache line for a rare case.
// Instead one walk over the slots serves all hops that failed before it. It visits 4,096 slots per
// turn, so that dead next hops do not stall the connections of the others: a million slots take 250
// turns.
//
// Meanwhile a station may come back, and an entry may go to another station or be asked for anew.
// So a hop in `hops` only may have failed: who is told asks the table of neighbours again.
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

  // Adds a hop that failed. If a walk is under way, the next walk serves it.
  void add(std::uint16_t hop) {
    next_.set(hop);
    waiting_ = true;
  }

  // Calls tell(slot, hops) for the next slots_per_turn of `slots`; `hops` are those that failed.
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
