// A station's address on Ethernet (IEEE 802).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/address.hpp"
#include "salut/error.hpp"

namespace salut {

// The bytes are in the order in which people write them and the wire carries them.
struct [[gnu::packed]] Mac {
  std::array<std::uint8_t, 6> bytes = {};

  static Result<Mac> parse(std::string_view text);  // "02:00:00:00:00:01"
  std::string to_string() const;
  constexpr bool is_group() const { return (bytes[0] & 1) != 0; }  // multicast and broadcast
  constexpr bool is_zero() const { return *this == Mac{}; }
  // May it be the address of one station?
  constexpr bool is_station() const { return !is_group() && !is_zero(); }
  friend constexpr auto operator<=>(const Mac&, const Mac&) = default;
};
static_assert(sizeof(Mac) == 6);

// The MAC address of an IPv6 multicast group (RFC 2464 §7): 33:33 and the last four bytes.
constexpr Mac multicast_mac(const Address& group) {
  return {{0x33, 0x33, group.byte(12), group.byte(13), group.byte(14), group.byte(15)}};
}

inline constexpr Mac broadcast_mac = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

}  // namespace salut
