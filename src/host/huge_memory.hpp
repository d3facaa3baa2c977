// The long-lived arrays of a stack, on transparent huge pages.
//
// A table of ten million connections on 4 KiB pages costs a page walk per random access; on 2 MiB
// pages the walk stays in the caches. The kernel gives such pages to anonymous memory that asks
// (madvise), without root and without hugetlbfs; where it has none left it gives small ones, and
// nothing fails. Pages arrive zeroed. The flow table's and the first of every array are there at
// start, so that the first connections do not wait milliseconds for them; the others come on first
// touch, so that what is never used costs nothing. On a machine of several nodes the first ones are
// the control thread's.
//
// Thread safety: none; start-up runs on one thread. Cost: one mmap per array.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/memory.hpp"

namespace salut {

// Recipient pages are all taken at once: a slower start, and no fault on the way of a packet. The
// TIME_WAIT arena is asked about apart: it fills front to back, a fault per 65,536 records, and may
// never be filled; but where the kernel zeroes a page of 2 MiB the poll loop stands still, on a
// virtual machine for some milliseconds.
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
  // How many bytes of an array have their pages when it is made.
  std::size_t pages_at_start(std::size_t size, Use use) const;

  Prefault prefault_;
};

// What this process may still take: the least of MemAvailable and what its cgroups leave it.
// `root`: where /proc and /sys are.
std::uint64_t available_memory(const std::string& root = {});

}  // namespace salut
