#include "host/huge_memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <new>
#include <string>

namespace salut {
namespace {

constexpr std::size_t small_page = 4'096;
constexpr std::size_t huge_page = 2'097'152;

// Arrays of at least one huge page are rounded to whole ones.
std::size_t mapped_size(std::size_t bytes) {
  const std::size_t page = bytes >= huge_page ? huge_page : small_page;
  return std::max<std::size_t>(bytes + page - 1, page) / page * page;
}

// mmap aligns to small pages: take one huge page more and give back both ends.
void* map_huge(std::size_t size) {
  void* memory = mmap(nullptr, size + huge_page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return memory;
  const auto start = reinterpret_cast<std::uintptr_t>(memory);
  const std::uintptr_t aligned = (start + huge_page - 1) / huge_page * huge_page;
  auto* bytes = static_cast<std::byte*>(memory);
  const std::size_t before = aligned - start;
  if (before != 0) munmap(bytes, before);
  if (before != huge_page) munmap(bytes + before + size, huge_page - before);
  madvise(bytes + before, size, MADV_HUGEPAGE);  // without huge pages: slower, not wrong
  return bytes + before;
}

// A write to each page, which the kernel does in one call if it is of 5.14 or later.
void populate(std::byte* memory, std::size_t size) {
#ifdef MADV_POPULATE_WRITE
  if (madvise(memory, size, MADV_POPULATE_WRITE) == 0) return;
#endif
  for (std::size_t at = 0; at < size; at += small_page)
    static_cast<volatile std::byte*>(memory)[at] = std::byte{0};
}

}  // namespace

std::size_t HugeMemory::pages_at_start(std::size_t size, Use use) const {
  const bool scattered = use == Use::flow_table;  // any few connections touch all of it
  if (scattered || (use == Use::time_wait ? prefault_.time_wait : prefault_.arrays)) return size;
  return std::min(size, huge_page);
}

void* HugeMemory::allocate(std::size_t bytes, Use use) {
  if (bytes > std::numeric_limits<std::size_t>::max() / 2) throw std::bad_alloc();
  const std::size_t size = mapped_size(bytes);
  void* memory = size >= huge_page ? map_huge(size)
                                   : mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  populate(static_cast<std::byte*>(memory), pages_at_start(size, use));
  bytes_[static_cast<std::size_t>(use)] += bytes;
  return memory;
}

void HugeMemory::release(void* memory, std::size_t bytes, Use use) noexcept {
  if (memory == nullptr) return;
  munmap(memory, mapped_size(bytes));
  bytes_[static_cast<std::size_t>(use)] -= bytes;
}

namespace {

constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

std::uint64_t mem_available(const Sysfs& sysfs) {
  const std::string text = sysfs.value_of("/proc/meminfo", "MemAvailable");  // "16777216 kB"
  std::uint64_t kib = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), kib);
  return error == std::errc{} ? kib * 1'024 : no_limit;
}

// A group is bounded by its ancestors: what each of them leaves, from the leaf up to the root.
std::uint64_t left_in_group(const Sysfs& sysfs, const std::string& root, std::string group,
                            const char* limit_file, const char* usage_file) {
  std::uint64_t left = no_limit;
  for (;;) {
    const std::string at = root + group;
    // No number: "max", or no such file.
    const auto limit = sysfs.number(at + "/" + limit_file);
    const auto usage = sysfs.number(at + "/" + usage_file);
    if (limit && usage) {
      left = std::min(left, static_cast<std::uint64_t>(std::max<std::int64_t>(*limit - *usage, 0)));
    }
    const std::size_t slash = group.rfind('/');
    if (slash == std::string::npos || group == "/" || group.empty()) return left;
    group.resize(slash);
  }
}

}  // namespace

std::uint64_t available_memory(const Sysfs& sysfs) {
  std::uint64_t available = mem_available(sysfs);
  // "4:memory:/a/b" (v1) or "0::/a/b" (v2)
  for (const std::string& line : sysfs.lines("/proc/self/cgroup")) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers == "memory") {
      available =
          std::min(available, left_in_group(sysfs, "/sys/fs/cgroup/memory", group,
                                            "memory.limit_in_bytes", "memory.usage_in_bytes"));
    } else if (controllers.empty()) {
      available = std::min(
          available, left_in_group(sysfs, "/sys/fs/cgroup", group, "memory.max", "memory.current"));
    }
  }
  return available;
}

}  // namespace salut
