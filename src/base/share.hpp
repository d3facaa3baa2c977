// How much of a pool one of many may still take: the dynamic thresholds of shared-memory switches.
// While the pool is free a share is large; as it empties all shares shrink, and whoever comes late
// finds as much as the others have.
#pragma once

#include <cstdint>

namespace salut {

// For one that holds `held`, if `kept` of `free` are not for it: afterwards it holds no more than
// is left.
constexpr std::uint32_t share_left(std::uint32_t free, std::uint32_t kept, std::uint32_t held) {
  const std::uint32_t spare = free > kept ? free - kept : 0;
  return spare > held ? (spare - held) / 2 : 0;
}

}  // namespace salut
