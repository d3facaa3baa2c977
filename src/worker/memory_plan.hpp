// Plans how much memory DPDK gets, from which pages, and where the packet buffers are.
//
// With hugepages all of it is DPDK's memory. Without them DPDK's memory is a memfd of small pages,
// which a vhost-user back end can map as well. If nobody maps the buffers, they are in our own
// memory instead, because that can have transparent huge pages and a memfd cannot.
#pragma once

#include <cstdint>
#include <string>

#include "salut/config.hpp"
#include "salut/error.hpp"

namespace salut {

struct MemoryPlan {
  std::uint64_t mbuf_bytes = 0;
  std::uint64_t huge_mb = 0;  // MiB of hugepages that DPDK would need
  std::uint64_t free_mb = 0;  // MiB of hugepages that are free
  std::uint16_t mtu = 0;      // the largest of all ports
  bool hugepages = false;
  bool shared = false;  // a device or another process maps DPDK's memory
  bool own_pool() const { return !hugepages && !shared; }
};

// Makes the plan, and sets memory.hugepages and memory.megabytes to what it decides. Errors start
// with the key. `root`: the directory in which /sys is.
Result<MemoryPlan> plan_memory(Config& config, const std::string& root = {});

// How many bytes the arrays of all workers and the packet buffers take once every page was touched.
// If that is more than `available` bytes: an Error that names the keys with the largest shares.
Result<std::uint64_t> check_memory(const Config& config, std::uint64_t mbuf_bytes,
                                   std::uint64_t available);

}  // namespace salut
