// Packet buffers of the whole process: one rte_mempool under a cache per worker.
//
// One pool, since a frame that crosses the embedded wire is freed by the other worker: pools of
// their own would run dry on the side that opens connections. The cache of each lcore (512) takes
// nearly every acquire and release; what moves between workers moves in bulk.
//
// The order behind the caches is last in, first out: a quiet stack cycles through the few buffers
// that are still in the CPU's cache, where a ring would walk through all of them.
//
// Threads: every lcore at once. Cost: a copy of pointers; no lock while the cache serves.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/memory.hpp"
#include "salut/error.hpp"
#include "salut/frame.hpp"

struct rte_mempool;

namespace salut::io {

struct MbufPoolOptions {
  std::string name;
  std::uint32_t mbufs = 16'384;  // in all
  std::uint32_t workers = 1;
  std::uint16_t mtu = 1'500;  // the largest of all ports
  // Where the buffers lie: here (transparent huge pages), or in DPDK's own memory if null, as
  // devices that share or map memory need.
  Memory* memory = nullptr;
};

class MbufPool final : public FramePool {
 public:
  static Result<std::unique_ptr<MbufPool>> create(const MbufPoolOptions& options);
  ~MbufPool() override;
  MbufPool(const MbufPool&) = delete;

  bool acquire(Frame* frames, unsigned count) override;
  void release(const Frame* frames, unsigned count) override;

  rte_mempool* pool() const { return pool_; }
  std::uint32_t size() const { return size_; }
  std::uint64_t bytes() const { return bytes_; }
  std::uint32_t available() const;  // slow: a look at every cache

  // Bytes that `mbufs` buffers for `mtu` take, before any of them exists.
  static std::uint64_t bytes_for(std::uint64_t mbufs, std::uint16_t mtu);

 private:
  MbufPool() = default;
  Result<void> populate(std::uint16_t data_room, Memory* memory);

  rte_mempool* pool_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint64_t bytes_ = 0;
  Memory* memory_ = nullptr;  // owner of storage_, if it is ours
  void* storage_ = nullptr;
  std::size_t storage_bytes_ = 0;
};

}  // namespace salut::io
