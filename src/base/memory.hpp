// Where the core's long-lived arrays come from: all of them at start, none afterwards.
//
// The core never calls mmap and never chooses page sizes; the machine implements this with huge
// pages (src/host/huge_memory.hpp), tests with the heap. Memory arrives zeroed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace salut {

// What an array is for; the report shows bytes per use.
enum class Use : std::uint8_t { tcb, time_wait, flow_table, timers, buffers, mbufs };
inline constexpr std::size_t use_count = 6;

class Memory {
 public:
  virtual ~Memory() = default;
  // Zeroed, aligned to at least 64 bytes. Throws std::bad_alloc: this is start-up, never hot.
  virtual void* allocate(std::size_t bytes, Use use) = 0;
  virtual void release(void* memory, std::size_t bytes, Use use) noexcept = 0;

  std::uint64_t bytes(Use use) const { return bytes_[static_cast<std::size_t>(use)]; }

 protected:
  std::array<std::uint64_t, use_count> bytes_ = {};
};

// The heap, for tests and for tools.
class HeapMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes, Use use) override {
    const std::size_t rounded = (bytes + 63) / 64 * 64;
    void* memory = std::aligned_alloc(64, rounded == 0 ? 64 : rounded);
    if (memory == nullptr) throw std::bad_alloc();
    std::memset(memory, 0, rounded);
    bytes_[static_cast<std::size_t>(use)] += bytes;
    return memory;
  }
  void release(void* memory, std::size_t bytes, Use use) noexcept override {
    bytes_[static_cast<std::size_t>(use)] -= bytes;
    std::free(memory);
  }
};

// A fixed array out of a Memory. Elements start as zero bytes and have no destructor to run.
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
