// The 4-tuple of a connection as it lies in a received packet: network byte order, twelve bytes in
// a row, so that a key is two loads from an IPv4 header without options.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace salut {

constexpr std::uint32_t net32(std::uint32_t value) {
  return std::endian::native == std::endian::little ? __builtin_bswap32(value) : value;
}
constexpr std::uint16_t net16(std::uint16_t value) {
  return std::endian::native == std::endian::little ? __builtin_bswap16(value) : value;
}

struct Key {
  std::uint32_t remote_addr = 0;  // all four in network order
  std::uint32_t local_addr = 0;
  std::uint16_t remote_port = 0;
  std::uint16_t local_port = 0;

  friend constexpr bool operator==(const Key&, const Key&) = default;
};
static_assert(sizeof(Key) == 12);

// `*_h` arguments in host order.
constexpr Key make_key(std::uint32_t remote_addr_h, std::uint16_t remote_port_h,
                       std::uint32_t local_addr_h, std::uint16_t local_port_h) {
  return Key{net32(remote_addr_h), net32(local_addr_h), net16(remote_port_h), net16(local_port_h)};
}
}  // namespace salut
