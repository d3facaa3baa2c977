// How much memory DPDK gets, of which pages, and where the packet buffers lie.
//
// With hugepages everything is DPDK's. Without them its memory is a memfd of small pages, which a
// vhost-user back end can map all the same; buffers that nobody maps lie in transparent huge pages
// of our own instead, which a memfd cannot have.
#pragma once

#include <cstdint>
#include <string>

#include "salut/config.hpp"
#include "salut/error.hpp"

namespace salut {

struct MemoryPlan {
  std::uint64_t mbuf_bytes = 0;
  std::uint64_t huge_mb = 0;  // wanted, if of hugepages
  std::uint64_t free_mb = 0;  // of those
  std::uint16_t mtu = 0;      // the largest
  bool hugepages = false;
  bool shared = false;  // somebody maps it
  bool own_pool() const { return !hugepages && !shared; }
};

// Completes memory.hugepages and memory.megabytes. Errors start with the key. `root`: where /sys
// is.
Result<MemoryPlan> plan_memory(Config& config, const std::string& root = {});

// What the arrays of all workers and the packet buffers take, all of their pages touched. An Error
// that names the keys that make it so if that is more than `available` bytes.
Result<std::uint64_t> check_memory(const Config& config, std::uint64_t mbuf_bytes,
                                   std::uint64_t available);

}  // namespace salut
