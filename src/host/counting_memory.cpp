#include "host/counting_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace salut {

void* CountingMemory::allocate(std::size_t bytes, Use use) {
  void* memory = mmap(nullptr, std::max<std::size_t>(bytes, 1), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  bytes_[static_cast<std::size_t>(use)] += bytes;
  return memory;
}

void CountingMemory::release(void* memory, std::size_t bytes, Use use) noexcept {
  munmap(memory, std::max<std::size_t>(bytes, 1));
  bytes_[static_cast<std::size_t>(use)] -= bytes;
}

}  // namespace salut
