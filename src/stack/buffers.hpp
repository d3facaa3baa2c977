// Bytes in flight and bytes unread: chains of 2 KiB blocks out of one pool per stack.
//
// A connection without data has no block. Chains fill their tail before they take another block,
// so every block but head and tail is full, and a position is a block and an offset. Blocks come
// from a LIFO free list: the one just given back is the one still in cache.
//
// Threads: the stack's lcore. Never allocates after construction; append() takes what fits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "stack/memory.hpp"

namespace salut::stack {

inline constexpr std::uint32_t no_block = 0xffffffff;
inline constexpr std::uint16_t block_bytes = 2048 - 8;

// 16 bytes, in the TCB. All zero is not a valid chain: start with Chain{}.
struct Chain {
  std::uint32_t head = no_block;
  std::uint32_t tail = no_block;
  std::uint32_t bytes = 0;
  std::uint16_t head_offset = 0;  // first unread byte in head
  std::uint16_t tail_end = 0;     // one past the last byte in tail
};
static_assert(sizeof(Chain) == 16);

struct Cursor {
  std::uint32_t block = no_block;  // no_block: at the head
  std::uint16_t offset = 0;
};

class Buffers {
 public:
  Buffers(Memory& memory, std::uint32_t blocks)
      : blocks_(memory, blocks, Use::buffers), free_(no_block), untouched_(0), available_(blocks) {}

  std::uint32_t available_blocks() const { return available_; }

  // Appends what fits into `limit` bytes of chain and into the pool; returns how many bytes.
  std::size_t append(Chain& chain, std::span<const std::byte> from, std::uint32_t limit) {
    std::size_t left = std::min<std::size_t>(from.size(), limit - std::min(limit, chain.bytes));
    const std::byte* source = from.data();
    std::size_t taken = 0;
    while (left > 0) {
      if (chain.tail == no_block || chain.tail_end == block_bytes) {
        if (!extend(chain)) break;
      }
      const std::size_t n = std::min<std::size_t>(left, block_bytes - chain.tail_end);
      std::memcpy(blocks_[chain.tail].data + chain.tail_end, source, n);
      chain.tail_end = static_cast<std::uint16_t>(chain.tail_end + n);
      chain.bytes += static_cast<std::uint32_t>(n);
      source += n;
      left -= n;
      taken += n;
    }
    return taken;
  }

  // Copies the first bytes out without consuming them.
  std::size_t peek(const Chain& chain, std::span<std::byte> to) const {
    Cursor cursor;
    return copy(chain, cursor, 0, to);
  }

  // Copies bytes from `cursor`, which stands `position` bytes after the chain's first one, and
  // moves it; returns how many there were.
  std::size_t copy(const Chain& chain, Cursor& cursor, std::uint32_t position,
                   std::span<std::byte> to) const {
    std::size_t left = std::min<std::size_t>(to.size(), chain.bytes - position);
    if (left == 0) return 0;
    if (cursor.block == no_block) cursor = seek(chain, position);
    std::byte* target = to.data();
    std::size_t copied = 0;
    while (left > 0) {
      if (cursor.offset == block_bytes) cursor = {blocks_[cursor.block].next, 0};
      const std::uint16_t end = cursor.block == chain.tail ? chain.tail_end : block_bytes;
      const std::size_t n = std::min<std::size_t>(left, end - cursor.offset);
      std::memcpy(target, blocks_[cursor.block].data + cursor.offset, n);
      cursor.offset = static_cast<std::uint16_t>(cursor.offset + n);
      target += n;
      left -= n;
      copied += n;
    }
    return copied;
  }

  // Moves a cursor that does not stand "at the head" `count` bytes on, within the chain.
  void skip(Cursor& cursor, std::uint32_t count) const {
    if (cursor.block == no_block) return;
    std::uint32_t offset = cursor.offset + count;
    while (offset > block_bytes) {
      cursor.block = blocks_[cursor.block].next;
      offset -= block_bytes;
    }
    cursor.offset = static_cast<std::uint16_t>(offset);
  }

  // Drops the first `count` bytes; a cursor that stood in a block which goes is set back to
  // "at the head".
  void consume(Chain& chain, std::uint32_t count, Cursor* cursor = nullptr) {
    chain.bytes -= count;
    while (count > 0) {
      const std::uint16_t end = chain.head == chain.tail ? chain.tail_end : block_bytes;
      const std::uint32_t here = std::min<std::uint32_t>(count, end - chain.head_offset);
      chain.head_offset = static_cast<std::uint16_t>(chain.head_offset + here);
      count -= here;
      if (chain.head_offset < end) return;
      drop_head(chain, cursor);
    }
  }

  void clear(Chain& chain) {
    while (chain.head != no_block) drop_head(chain, nullptr);
    chain.bytes = 0;
  }

 private:
  struct Block {
    std::uint32_t next;
    std::uint32_t reserved;
    std::byte data[block_bytes];
  };
  static_assert(sizeof(Block) == 2048);

  bool extend(Chain& chain) {
    std::uint32_t block = free_;
    if (block != no_block) {
      free_ = blocks_[block].next;
    } else if (untouched_ < blocks_.size()) {
      block = untouched_++;
    } else {
      return false;
    }
    --available_;
    blocks_[block].next = no_block;
    if (chain.tail == no_block) {
      chain.head = block;
      chain.head_offset = 0;
    } else {
      blocks_[chain.tail].next = block;
    }
    chain.tail = block;
    chain.tail_end = 0;
    return true;
  }

  void drop_head(Chain& chain, Cursor* cursor) {
    const std::uint32_t block = chain.head;
    if (cursor != nullptr && cursor->block == block) *cursor = Cursor{};
    chain.head = blocks_[block].next;
    chain.head_offset = 0;
    if (block == chain.tail) {
      chain.head = chain.tail = no_block;
      chain.tail_end = 0;
    }
    blocks_[block].next = free_;
    free_ = block;
    ++available_;
  }

  Cursor seek(const Chain& chain, std::uint32_t position) const {
    std::uint32_t block = chain.head;
    std::uint32_t offset = chain.head_offset + position;
    while (offset >= block_bytes && block != chain.tail) {
      block = blocks_[block].next;
      offset -= block_bytes;
    }
    return Cursor{block, static_cast<std::uint16_t>(offset)};
  }

  FixedArray<Block> blocks_;
  std::uint32_t free_;
  std::uint32_t untouched_;  // blocks from here on were never used: memory is touched as needed
  std::uint32_t available_;
};

}  // namespace salut::stack
