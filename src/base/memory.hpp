// The core's arrays: each takes a fixed size from a Memory (salut/memory.hpp) at start.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "salut/memory.hpp"

namespace salut {

// Elements start as zero bytes, and no destructor runs.
template <typename T>
class FixedArray {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  FixedArray() = default;
  FixedArray(Memory& memory, std::size_t size, Use use)
      : memory_(&memory),
        data_(static_cast<T*>(memory.allocate(size * sizeof(T), use))),
        size_(size),
        use_(use) {}
  FixedArray(FixedArray&& other) noexcept { swap(other); }
  FixedArray& operator=(FixedArray&& other) noexcept {
    swap(other);
    return *this;
  }
  ~FixedArray() {
    if (memory_ != nullptr) memory_->release(data_, size_ * sizeof(T), use_);
  }

  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  void swap(FixedArray& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(use_, other.use_);
  }

  Memory* memory_ = nullptr;
  T* data_ = nullptr;
  std::size_t size_ = 0;
  Use use_ = Use::tcb;
};

}  // namespace salut
