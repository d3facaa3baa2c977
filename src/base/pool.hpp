// Slots of one kind: an array and a LIFO free list through the slots themselves.
//
// A slot that is given back is the next one taken, still in cache; one that was never used has
// never been touched, so that memory is there only for what was needed at once. Threads: one.
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

  // All lines of a slot, to be written.
  void prefetch(std::uint32_t index) const {
    const auto* lines = reinterpret_cast<const std::byte*>(&slots_[index]);
    for (std::size_t at = 0; at < sizeof(T); at += 64) __builtin_prefetch(lines + at, 1);
  }

  // none: all are taken. The slot is a fresh T.
  std::uint32_t acquire() {
    std::uint32_t index = free_;
    if (index != none) {
      std::memcpy(&free_, static_cast<const void*>(&slots_[index]), sizeof(free_));
      if (free_ != none) prefetch(free_);  // who was idle for long is cold
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
