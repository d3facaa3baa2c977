// Bytes in flight and bytes unread: chains of blocks out of one pool per stack.
//
// A connection without data has no block. A block has 2 KiB of its own, or stands for bytes that
// lie elsewhere and are not copied: in a received frame, which goes back when they were read, or in
// the memory of the application, which has lent them until they are acknowledged. A position is a
// block and an offset. Blocks come from a LIFO free list: the one just given back is the one still
// in cache.
//
// Threads: the stack's lcore. Never allocates after construction; append() takes what fits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/memory.hpp"
#include "salut/frame.hpp"

namespace salut::ip {
class Interfaces;
}  // namespace salut::ip

namespace salut::tcp {

inline constexpr std::uint32_t no_block = 0xffffffff;
inline constexpr std::uint16_t block_bytes = 2048 - 8;
// A payload below this is copied: a block for it would hold less than half of what it could.
inline constexpr std::uint16_t lent_least = block_bytes / 2;
// The most of the application's memory that one block stands for.
inline constexpr std::uint16_t reference_most = 32'768;

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
  // Frames that were kept go back to `interfaces`; at most `frames` of them are kept at once.
  Buffers(Memory& memory, std::uint32_t blocks, ip::Interfaces* interfaces = nullptr,
          std::uint32_t frames = 0)
      : blocks_(memory, blocks, Use::buffers),
        interfaces_(interfaces),
        available_(blocks),
        frames_left_(interfaces != nullptr ? frames : 0),
        frames_(frames_left_) {}
  ~Buffers();
  Buffers(const Buffers&) = delete;

  std::uint32_t available_blocks() const { return available_; }
  std::uint32_t frames_kept() const { return frames_ - frames_left_; }

  // Appends what fits into `limit` bytes of chain and into the pool; returns how many bytes.
  std::size_t append(Chain& chain, std::span<const std::byte> from, std::uint32_t limit) {
    std::size_t left = std::min<std::size_t>(from.size(), limit - std::min(limit, chain.bytes));
    const std::byte* source = from.data();
    std::size_t taken = 0;
    while (left > 0) {
      const bool full = chain.tail == no_block || chain.tail_end == block_bytes ||
                        blocks_[chain.tail].kind != Kind::own;
      if (full && !extend(chain, Kind::own)) break;
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

  // How many bytes append() can take: what is free in `most` blocks and in the chain's last one.
  std::size_t room(const Chain& chain, std::uint32_t most) const {
    const bool open = chain.tail != no_block && blocks_[chain.tail].kind == Kind::own;
    return std::size_t{most} * block_bytes + (open ? block_bytes - chain.tail_end : 0u);
  }

  // How many blocks more append() takes from the pool for `bytes`.
  std::uint32_t blocks_to_append(const Chain& chain, std::size_t bytes) const {
    const std::size_t open = room(chain, 0);
    if (bytes <= open) return 0;
    return static_cast<std::uint32_t>((bytes - open + block_bytes - 1) / block_bytes);
  }
  // And refer() for `from`.
  std::uint32_t blocks_to_refer(const Chain& chain, std::span<const std::byte> from) const {
    const std::size_t left = from.size() - continued(chain, from);
    return static_cast<std::uint32_t>((left + reference_most - 1) / reference_most);
  }

  // Keeps `payload`, which lies in `frame`, and the frame with it. False: it has to be copied.
  bool keep(Chain& chain, const Frame& frame, std::span<const std::byte> payload,
            std::uint32_t limit);

  // Appends a reference to `from`, in at most `most` blocks more and up to `limit` bytes of chain;
  // returns how many bytes are referenced: they stay where they are until consumed. What lies
  // behind the chain's last reference goes on in its block: byte by byte is no block each.
  std::size_t refer(Chain& chain, std::span<const std::byte> from, std::uint32_t most,
                    std::uint32_t limit);

  // Copies the first bytes out without consuming them.
  std::size_t peek(const Chain& chain, std::span<std::byte> to) const {
    Cursor cursor;
    return copy(chain, cursor, 0, to);
  }

  // The first bytes where they lie, as many as lie together; empty if there are none.
  std::span<const std::byte> first(const Chain& chain) const {
    if (chain.bytes == 0) return {};
    return {bytes_of(blocks_[chain.head]) + chain.head_offset,
            std::size_t{end_of(chain, chain.head)} - chain.head_offset};
  }

  // Those that begin `position` bytes after the first one; empty if there are none.
  std::span<const std::byte> run_at(const Chain& chain, std::size_t position) const {
    if (position >= chain.bytes) return {};
    const Cursor cursor = seek(chain, static_cast<std::uint32_t>(position));
    return {bytes_of(blocks_[cursor.block]) + cursor.offset,
            std::size_t{end_of(chain, cursor.block)} - cursor.offset};
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
      const Block& block = blocks_[cursor.block];
      const std::uint16_t end = end_of(chain, cursor.block);
      const std::size_t n = std::min<std::size_t>(left, end - cursor.offset);
      std::memcpy(target, bytes_of(block) + cursor.offset, n);
      cursor.offset = static_cast<std::uint16_t>(cursor.offset + n);
      target += n;
      left -= n;
      copied += n;
      if (left > 0) cursor = {block.next, 0};
    }
    return copied;
  }

  // Moves a cursor that does not stand "at the head" `count` bytes on, within the chain.
  void skip(const Chain& chain, Cursor& cursor, std::uint32_t count) const {
    if (cursor.block == no_block) return;
    std::uint32_t offset = cursor.offset + count;
    while (offset > end_of(chain, cursor.block)) {
      offset -= end_of(chain, cursor.block);
      cursor.block = blocks_[cursor.block].next;
    }
    cursor.offset = static_cast<std::uint16_t>(offset);
  }

  // Drops the first `count` bytes; a cursor that stood in a block which goes is set back to
  // "at the head". Returns how many bytes of the application's are no longer referenced.
  std::uint32_t consume(Chain& chain, std::uint32_t count, Cursor* cursor = nullptr) {
    std::uint32_t released = 0;
    chain.bytes -= count;
    while (count > 0) {
      const std::uint16_t end = end_of(chain, chain.head);
      const std::uint32_t here = std::min<std::uint32_t>(count, end - chain.head_offset);
      chain.head_offset = static_cast<std::uint16_t>(chain.head_offset + here);
      count -= here;
      if (chain.head_offset < end) return released;
      released += drop_head(chain, cursor);
    }
    return released;
  }

  void clear(Chain& chain) {
    while (chain.head != no_block) drop_head(chain, nullptr);
    chain.bytes = 0;
  }

 private:
  enum class Kind : std::uint8_t { own, frame, reference };

  struct Block {
    std::uint32_t next;
    std::uint16_t end;  // one past its last byte; of a chain's tail, Chain::tail_end is
    Kind kind;
    std::uint8_t reserved;
    std::byte data[block_bytes];  // or a Lent
  };
  static_assert(sizeof(Block) == 2048);

  // What a block holds whose bytes lie elsewhere.
  struct Lent {
    const std::byte* bytes;
    Frame frame;  // if they lie in one
  };

  const std::byte* bytes_of(const Block& block) const {
    if (block.kind == Kind::own) [[likely]]
      return block.data;
    const std::byte* bytes = nullptr;
    std::memcpy(&bytes, block.data, sizeof(bytes));
    return bytes;
  }
  std::uint16_t end_of(const Chain& chain, std::uint32_t block) const {
    return block == chain.tail ? chain.tail_end : blocks_[block].end;
  }

  bool extend(Chain& chain, Kind kind) {
    std::uint32_t block = free_;
    if (block != no_block) {
      free_ = blocks_[block].next;
      if (free_ != no_block) __builtin_prefetch(&blocks_[free_], 1);
    } else if (untouched_ < blocks_.size()) {
      block = untouched_++;
    } else {
      return false;
    }
    --available_;
    blocks_[block].next = no_block;
    blocks_[block].kind = kind;
    if (chain.tail == no_block) {
      chain.head = block;
      chain.head_offset = 0;
    } else {
      blocks_[chain.tail].next = block;
      blocks_[chain.tail].end = chain.tail_end;
    }
    chain.tail = block;
    chain.tail_end = 0;
    return true;
  }

  // How many bytes of `from` lie behind the chain's last reference and go on in its block.
  std::size_t continued(const Chain& chain, std::span<const std::byte> from) const {
    const bool behind = !from.empty() && chain.tail != no_block &&
                        blocks_[chain.tail].kind == Kind::reference &&
                        bytes_of(blocks_[chain.tail]) + chain.tail_end == from.data();
    return behind ? std::min<std::size_t>(from.size(), reference_most - chain.tail_end) : 0;
  }

  // Appends a block whose bytes lie elsewhere. False: the pool is empty.
  bool extend(Chain& chain, Kind kind, const Lent& lent, std::uint16_t size);

  // Returns how many bytes of the application's it stood for.
  std::uint32_t drop_head(Chain& chain, Cursor* cursor) {
    const std::uint32_t block = chain.head;
    const Kind kind = blocks_[block].kind;
    const std::uint16_t end = end_of(chain, block);
    if (cursor != nullptr && cursor->block == block) *cursor = Cursor{};
    chain.head = blocks_[block].next;
    chain.head_offset = 0;
    if (block == chain.tail) {
      chain.head = chain.tail = no_block;
      chain.tail_end = 0;
    }
    if (kind == Kind::frame) give_back(block);
    blocks_[block].next = free_;
    free_ = block;
    ++available_;
    return kind == Kind::reference ? end : 0u;
  }

  void give_back(std::uint32_t block);  // the frame

  Cursor seek(const Chain& chain, std::uint32_t position) const {
    std::uint32_t block = chain.head;
    std::uint32_t offset = chain.head_offset + position;
    while (block != chain.tail && offset >= blocks_[block].end) {
      offset -= blocks_[block].end;
      block = blocks_[block].next;
    }
    return Cursor{block, static_cast<std::uint16_t>(offset)};
  }

  FixedArray<Block> blocks_;
  ip::Interfaces* interfaces_;
  std::uint32_t free_ = no_block;
  std::uint32_t untouched_ = 0;  // blocks from here on were never used: memory is touched as needed
  std::uint32_t available_;
  std::uint32_t frames_left_;
  std::uint32_t frames_;
};

}  // namespace salut::tcp
