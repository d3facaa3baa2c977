// The slots of connections: one array, a LIFO free list through it, and a generation per slot.
//
// What belongs to the slot and not to the connection survives its reuse: the generation, the
// wheel's live entry, and the place in the list of those with something to send.
#pragma once

#include <cstdint>

#include "base/memory.hpp"
#include "tcp/tcb.hpp"

namespace salut::tcp {

class TcbPool {
 public:
  static constexpr std::uint32_t none = 0xffffffff;

  TcbPool(Memory& memory, std::uint32_t capacity)
      : slots_(memory, capacity, Use::tcb), free_(none), untouched_(0), in_use_(0) {}

  Tcb& operator[](std::uint32_t index) { return slots_[index]; }
  const Tcb& operator[](std::uint32_t index) const { return slots_[index]; }
  std::uint32_t index_of(const Tcb& tcb) const {
    return static_cast<std::uint32_t>(&tcb - slots_.data());
  }
  std::uint32_t size() const { return static_cast<std::uint32_t>(slots_.size()); }
  std::uint32_t in_use() const { return in_use_; }
  std::uint32_t touched() const { return untouched_; }  // slots below it were used at some time

  // none: all are taken.
  std::uint32_t acquire() {
    std::uint32_t index = free_;
    if (index != none) {
      free_ = static_cast<std::uint32_t>(slots_[index].user);
      if (free_ != none) __builtin_prefetch(&slots_[free_], 1);
    } else if (untouched_ < slots_.size()) {
      index = untouched_++;
      slots_[index].generation = 1;
    } else {
      return none;
    }
    ++in_use_;
    return index;
  }

  // REQUIRES: CLOSED.
  void release(std::uint32_t index) {
    Tcb& tcb = slots_[index];
    tcb.key = Key{};
    tcb.flags &= Flag::queued;
    tcb.renew();
    tcb.timer_at = 0;
    tcb.ending = 0;
    tcb.user = free_;
    free_ = index;
    --in_use_;
  }

 private:
  FixedArray<Tcb> slots_;
  std::uint32_t free_;
  std::uint32_t untouched_;  // slots from here on were never used: memory is touched as needed
  std::uint32_t in_use_;
};

}  // namespace salut::tcp
