// The addresses of the stations of a link, of which everything in the seeded world has some.
#pragma once

#include <cstdint>

#include "salut/address.hpp"

namespace salut::sim {

inline constexpr std::uint64_t link6 = 0xfd00'0000'0000'0000;  // fd00::/64

// fd00::n or 10.0.0.n
constexpr IpAddress station_address(std::uint32_t n, bool ip6) {
  return ip6 ? IpAddress::v6(link6, n) : IpAddress::v4(0x0a000000 + n);
}

}  // namespace salut::sim
