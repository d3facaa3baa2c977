// Connections whose last `readable` or `writable` the application has not used up: epoll's ready
// list. Each of them is told again in every turn.
//
// A FIFO through one word per slot, so that a slot stands in it once and each has its turn. Only
// those are in it that left something, never all: a connection whose bytes are read when they come
// is not. Threads: one.
#pragma once

#include <cstdint>

#include "base/memory.hpp"

namespace salut::stack {

class ReadyList {
 public:
  ReadyList(Memory& memory, std::uint32_t connections) : next_(memory, connections, Use::tcb) {}

  bool empty() const { return count_ == 0; }
  std::uint32_t size() const { return count_; }

  // No effect if it is there.
  void add(std::uint32_t slot) {
    if (next_[slot] != 0) return;
    next_[slot] = end;
    if (count_++ == 0) {
      head_ = slot;
    } else {
      next_[tail_] = slot + 1;
    }
    tail_ = slot;
  }

  // REQUIRES: not empty.
  std::uint32_t pop() {
    const std::uint32_t slot = head_;
    head_ = next_[slot] - 1;
    next_[slot] = 0;
    --count_;
    return slot;
  }

 private:
  static constexpr std::uint32_t end = 0xffffffff;  // behind it is nobody

  FixedArray<std::uint32_t> next_;  // 0: not in the list; else the slot behind it, plus one
  std::uint32_t head_ = 0;
  std::uint32_t tail_ = 0;
  std::uint32_t count_ = 0;
};

}  // namespace salut::stack
