// Where the protocol's long-lived arrays come from: all of them at start, none afterwards.
//
// The protocol never calls mmap and never chooses page sizes; a runtime implements this with huge
// pages, tests and small programs with the heap. Memory arrives zeroed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "salut/counters.hpp"
#include "salut/export.hpp"

namespace salut {

// The purpose of an array; reports show the bytes per purpose.
enum class Use : std::uint8_t {
#define SALUT_USE(id, words) id,
  SALUT_MEMORY_USES(SALUT_USE)
#undef SALUT_USE
};
inline constexpr std::size_t use_count = memory_fields.size();

class SALUT_API Memory {
 public:
  virtual ~Memory() = default;
  // Zeroed, aligned to at least 64 bytes. Throws std::bad_alloc. The core calls it only at start.
  virtual void* allocate(std::size_t bytes, Use use) = 0;
  // Gives back what allocate() returned for the same size and use.
  virtual void release(void* memory, std::size_t bytes, Use use) noexcept = 0;

  // How much is allocated for a use, in bytes.
  std::uint64_t bytes(Use use) const { return bytes_[static_cast<std::size_t>(use)]; }
  MemoryUse in_use() const {
    MemoryUse sum;
    for (std::size_t i = 0; i < use_count; ++i) sum.*memory_fields[i].member = bytes_[i];
    return sum;
  }

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

}  // namespace salut
