// The packet buffers of the whole process: one rte_mempool, with a cache per lcore.
//
// There is one pool, because a frame that crosses the embedded wire is freed by the other worker:
// if each worker had its own pool, that of the side that opens connections would run dry. The cache
// of an lcore (at most 512 buffers) serves nearly every acquire and release; buffers move between
// workers in bulk.
//
// Behind the caches buffers are last in, first out: a quiet stack uses the same few buffers, which
// are still in the CPU's cache, where a ring would walk through all of them.
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
  std::uint32_t mbufs = 16'384;  // for all workers together
  std::uint32_t workers = 1;
  std::uint16_t mtu = 1'500;  // the largest of all ports
  // Where the buffers are: in this memory (transparent huge pages), or in DPDK's own if null, which
  // devices need that share or map memory.
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
  std::uint32_t available() const;  // slow: it reads the cache of every lcore

  // Bytes from a frame's handle to the end of its buffer.
  std::uint32_t extent() const;

  // Bytes that `mbufs` buffers for `mtu` take, before any of them exists.
  static std::uint64_t bytes_for(std::uint64_t mbufs, std::uint16_t mtu);

 private:
  MbufPool() = default;
  Result<void> populate(std::uint16_t data_room, Memory* memory);

  rte_mempool* pool_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint64_t bytes_ = 0;
  Memory* memory_ = nullptr;  // owner of storage_; null: DPDK's memory
  void* storage_ = nullptr;
  std::size_t storage_bytes_ = 0;
};

}  // namespace salut::io
