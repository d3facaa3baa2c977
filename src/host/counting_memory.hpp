// A Memory that only counts. An engine that is constructed over it shows how much memory its arrays
// need, before any is taken.
//
// Arrays are mapped without a reservation, so that a page costs nothing until it is written. A
// constructor writes a few small arrays; the large ones cost only address space.
//
// Throws std::bad_alloc where not even the address space is there (RLIMIT_AS, or a kernel that
// never overcommits).
//
// Thread safety: none. Cost: one mmap and one munmap per array.
#pragma once

#include <cstddef>

#include "base/memory.hpp"

namespace salut {

class CountingMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes, Use use) override;
  void release(void* memory, std::size_t bytes, Use use) noexcept override;
};

}  // namespace salut
