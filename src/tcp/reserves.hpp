// What parts of the pool of blocks are kept for whom, in numbers; shares.hpp says why.
#pragma once

#include <cstdint>

#include "tcp/buffers.hpp"

namespace salut::tcp {

// What a chain may hold in any case while the pool has blocks.
inline constexpr std::uint32_t blocks_least = 2;
// Of buffer_blocks, as right shifts.
inline constexpr unsigned kept_for_receiving = 2;
inline constexpr unsigned kept_for_small = 3;
inline constexpr unsigned kept_for_order = 4;
inline constexpr unsigned most_for_islands = 3;
// Of each free block beyond the reserve so many bytes are offered to one connection.
inline constexpr std::uint32_t recv_per_block = block_bytes / 2;
static_assert(kept_for_receiving < kept_for_small && kept_for_small < kept_for_order);
static_assert(blocks_least * block_bytes >= 2 * 1460, "two full segments, so that ACKs flow");
static_assert(16u >> kept_for_order >= 1, "the smallest pool keeps a block for bytes in order");

}  // namespace salut::tcp
