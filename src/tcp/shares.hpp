// Who may have how much of the pool of blocks.
//
// Peers decide how long blocks are held: one that shuts its window, or sends requests and never
// reads the answers, keeps what its connection has. So a connection has a share that shrinks as the
// pool empties (base/share.hpp): once it has grown, a chain holds no more blocks than are left
// beyond a reserve. Its first two blocks come out of the reserve:
//
//   to send           the reserve is a quarter of the pool; a chain of less than two blocks may
//                     take of it, but for the last sixteenth (Linux: tcp_wmem[0])
//   received          what the window offered, while more than a quarter is free; then the reserve
//                     is an eighth, and a chain of less than two blocks may take all of it
//                     (Linux: tcp_rmem[0])
//   out of order      an eighth of the pool for all of it, and nothing while no more than an eighth
//                     is free (reassembly.hpp)
//
// Bytes out of order count as free: they give way to bytes in order and to sending. While no more
// than an eighth is free, pressure.hpp ends connections that stand still.
//
// Cost: a comparison per segment while more than a quarter is free.
#pragma once

#include <algorithm>

#include "base/share.hpp"
#include "tcp/context.hpp"
#include "tcp/reserves.hpp"

namespace salut::tcp {

// What is free, or held by islands, which give way.
inline std::uint32_t free_blocks(const Context& c) {
  return c.buffers.available_blocks() + c.island_blocks;
}

// How many blocks write() and lend() may still take. A quarter of the pool stays for what is
// received: else two stacks that both have their pools full of unsent bytes could never take an
// ACK's worth from each other.
inline std::uint32_t blocks_for_sending(const Context& c, const Tcb& tcb) {
  const std::uint32_t held = tcb.has(Flag::data_ready) ? c.stream(tcb).send_blocks : 0;
  const std::uint32_t free = free_blocks(c);
  const std::uint32_t share = share_left(free, c.config.buffer_blocks >> kept_for_receiving, held);
  if (held >= blocks_least) return share;
  const std::uint32_t kept = c.config.buffer_blocks >> kept_for_order;
  const std::uint32_t least = std::min(blocks_least - held, free > kept ? free - kept : 0);
  return std::max(share, least);
}

// How many blocks a chain of received bytes may still take when less than a quarter is free.
inline std::uint32_t blocks_for_receiving(const Context& c, const Tcb& tcb) {
  const std::uint32_t held = c.stream(tcb).recv_blocks;
  const std::uint32_t share =
      share_left(free_blocks(c), c.config.buffer_blocks >> kept_for_small, held);
  return held >= blocks_least ? share : std::max(share, blocks_least - held);
}

// Adds to `held` what a chain takes from the pool in this scope, or takes off what it gives back.
class BlockCount {
 public:
  BlockCount(const Buffers& buffers, std::uint32_t& held)
      : buffers_(buffers), held_(held), before_(buffers.available_blocks()) {}
  ~BlockCount() { held_ += before_ - buffers_.available_blocks(); }
  BlockCount(const BlockCount&) = delete;

 private:
  const Buffers& buffers_;
  std::uint32_t& held_;
  std::uint32_t before_;
};

}  // namespace salut::tcp
