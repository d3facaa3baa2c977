// Blocks for bytes that were read and could not be sent yet.
//
// A connection takes a block to read into and keeps it only if a write was short. So a busy server
// whose peers read uses one block, which stays in cache. If peers do not read, memory is bounded:
// when no block is free, a connection waits for one, its bytes stay in the stack, and its window
// closes.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace salut::app {

class BlockPool {
 public:
  static constexpr std::size_t block_size = 16 * 1024;
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  explicit BlockPool(std::uint32_t blocks)
      : blocks_(blocks), memory_(new std::byte[blocks * block_size]) {
    free_.reserve(blocks);
  }

  std::uint32_t acquire() {
    if (!free_.empty()) {
      const std::uint32_t block = free_.back();
      free_.pop_back();
      return block;
    }
    return fresh_ < blocks_ ? fresh_++ : none;
  }
  void release(std::uint32_t& block) {
    if (block != none) free_.push_back(block);
    block = none;
  }
  bool empty() const { return free_.empty() && fresh_ == blocks_; }

  std::span<std::byte> bytes(std::uint32_t block) {
    return {memory_.get() + block * block_size, block_size};
  }

 private:
  std::uint32_t blocks_;
  std::uint32_t fresh_ = 0;  // blocks from here on were never used, and are not resident
  std::unique_ptr<std::byte[]> memory_;
  std::vector<std::uint32_t> free_;
};

}  // namespace salut::app
