// IP addresses, endpoints and ranges as users write them: "10.0.0.1", "10.0.0.1:80", "10.1.0.0/16".
//
// An address is 16 bytes in network order with IPv4 mapped (::ffff:a.b.c.d), so that an API that
// takes an address takes either family. The stack speaks IPv4 today and says so when given IPv6.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "salut/error.hpp"

namespace salut {

class IpAddress {
 public:
  constexpr IpAddress() = default;  // 0.0.0.0, "any"

  // `value` in host order: 0x0a000001 is 10.0.0.1.
  static constexpr IpAddress v4(std::uint32_t value) {
    IpAddress address;
    address.bytes_[12] = static_cast<std::uint8_t>(value >> 24);
    address.bytes_[13] = static_cast<std::uint8_t>(value >> 16);
    address.bytes_[14] = static_cast<std::uint8_t>(value >> 8);
    address.bytes_[15] = static_cast<std::uint8_t>(value);
    return address;
  }
  static Result<IpAddress> parse(std::string_view text);

  constexpr bool is_v4() const {
    for (int i = 0; i < 10; ++i) {
      if (bytes_[static_cast<std::size_t>(i)] != 0) return false;
    }
    return bytes_[10] == 0xff && bytes_[11] == 0xff;
  }
  // Host order; meaningful only if is_v4().
  constexpr std::uint32_t v4() const {
    return std::uint32_t{bytes_[12]} << 24 | std::uint32_t{bytes_[13]} << 16 |
           std::uint32_t{bytes_[14]} << 8 | bytes_[15];
  }
  constexpr bool is_any() const { return is_v4() && v4() == 0; }
  constexpr const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  std::string to_string() const;

  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_ = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;  // host order

  static Result<Endpoint> parse(std::string_view text);  // "ADDR:PORT", port 1..65535
  std::string to_string() const;
  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// "10.0.0.1/24": an address and the prefix that is on its link.
struct Prefix {
  IpAddress address;
  std::uint8_t length = 32;  // 0..32

  static Result<Prefix> parse(std::string_view text);  // a bare address is a /32
  constexpr std::uint32_t mask_v4() const {
    return length == 0 ? 0 : ~std::uint32_t{0} << (32 - length);
  }
  constexpr bool contains(IpAddress other) const {
    return ((address.v4() ^ other.v4()) & mask_v4()) == 0;
  }
  std::string to_string() const;
  friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;
};

// Consecutive addresses: "10.1.0.0/16" (every address of the prefix), "10.0.0.1-10.0.0.9", or one.
struct AddressRange {
  IpAddress first;
  std::uint32_t count = 1;  // at least 1

  static Result<AddressRange> parse(std::string_view text);
  constexpr bool contains(IpAddress other) const {
    return other.is_v4() && other.v4() - first.v4() < count;
  }
  std::string to_string() const;
  friend constexpr auto operator<=>(const AddressRange&, const AddressRange&) = default;
};

}  // namespace salut
