// A Memory that adds up what it is asked for and sets nothing aside: an engine that is constructed
// over it tells how much memory its arrays will take, before anybody takes it.
//
// Arrays are mapped without a reservation, so that a page costs nothing until it is written. A
// constructor writes a few small arrays; the large ones stay address space.
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
