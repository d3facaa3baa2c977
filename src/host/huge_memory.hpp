// The long-lived arrays of a stack, on transparent huge pages.
//
// A table of ten million connections on 4 KiB pages costs a page walk per random access; on 2 MiB
// pages the walk stays in the caches. The kernel gives such pages to anonymous memory that asks
// (madvise), without root and without hugetlbfs; where it has none left it gives small ones, and
// nothing fails. Pages arrive zeroed. Those of the flow table, and the first of every other array,
// are populated at start, so that the first connections do not wait for them. The others come on
// first touch, so that unused memory costs nothing. With several NUMA nodes, pages that are
// populated at start are on the node of the control thread.
//
// Thread safety: none; start-up runs on one thread. Cost: one mmap per array.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/memory.hpp"
#include "host/sysfs.hpp"

namespace salut {

// Which arrays have all their pages from the start. That makes the start slower, and then no packet
// waits while the kernel zeroes a page of 2 MiB, which takes some milliseconds on a virtual
// machine. The TIME_WAIT arena has a switch of its own: it fills from front to back, one page fault
// per 65,536 records, and may never be full.
struct Prefault {
  bool arrays = false;
  bool time_wait = false;
};

class HugeMemory final : public Memory {
 public:
  explicit HugeMemory(Prefault prefault = {}) : prefault_(prefault) {}

  void* allocate(std::size_t bytes, Use use) override;
  void release(void* memory, std::size_t bytes, Use use) noexcept override;

 private:
  // How many bytes of an array are populated when it is made.
  std::size_t pages_at_start(std::size_t size, Use use) const;

  Prefault prefault_;
};

// What this process may still take: the least of MemAvailable and what its cgroups leave it.
std::uint64_t available_memory(const Sysfs& sysfs = Sysfs{});

}  // namespace salut
