// Slots of one kind: an array and a LIFO free list through the slots themselves.
//
// The slot that was released last is acquired next, while it is still in cache. A slot that was
// never used was never touched, so the kernel backs only the most slots ever in use at one time.
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/memory.hpp"

namespace salut {

template <typename T>
class Pool {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) >= sizeof(std::uint32_t));

 public:
  static constexpr std::uint32_t none = 0xffffffff;

  Pool(Memory& memory, std::uint32_t capacity, Use use) : slots_(memory, capacity, use) {}

  T& operator[](std::uint32_t index) { return slots_[index]; }
  const T& operator[](std::uint32_t index) const { return slots_[index]; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(slots_.size()); }
  std::uint32_t in_use() const { return in_use_; }

  // Prefetches all cache lines of a slot for writing.
  void prefetch(std::uint32_t index) const {
    const auto* lines = reinterpret_cast<const std::byte*>(&slots_[index]);
    for (std::size_t at = 0; at < sizeof(T); at += 64) __builtin_prefetch(lines + at, 1);
  }

  // Takes a slot and sets it to T{}. Returns `none` if all slots are in use.
  std::uint32_t acquire() {
    std::uint32_t index = free_;
    if (index != none) {
      std::memcpy(&free_, static_cast<const void*>(&slots_[index]), sizeof(free_));
      if (free_ != none) prefetch(free_);  // the next one may be cold
    } else if (untouched_ < slots_.size()) {
      index = untouched_++;
    } else {
      return none;
    }
    ++in_use_;
    slots_[index] = T{};
    return index;
  }

  void release(std::uint32_t index) {
    std::memcpy(static_cast<void*>(&slots_[index]), &free_, sizeof(free_));
    free_ = index;
    --in_use_;
  }

 private:
  FixedArray<T> slots_;
  std::uint32_t free_ = none;
  std::uint32_t untouched_ = 0;  // slots from here on were never used
  std::uint32_t in_use_ = 0;
};

}  // namespace salut
