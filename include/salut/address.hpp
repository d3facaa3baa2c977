// IP addresses, endpoints, prefixes and ranges as users write them: "10.0.0.1", "fd00::1",
// "10.0.0.1:80", "[fd00::1]:80", "10.1.0.0/16", "fd00::/64".
//
// An address is 16 bytes in network order with IPv4 mapped (::ffff:a.b.c.d), so that an API that
// takes an address takes either family. parse() reads IPv6 in every form of RFC 4291 §2.2, and
// to_string() writes the form of RFC 5952. "::ffff:10.0.0.1" is 10.0.0.1.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "salut/error.hpp"
#include "salut/export.hpp"

namespace salut {

class SALUT_API IpAddress {
 public:
  using Bytes = std::array<std::uint8_t, 16>;

  constexpr IpAddress() = default;  // 0.0.0.0, "any" of IPv4

  // `value` in host order: 0x0a000001 is 10.0.0.1.
  static constexpr IpAddress v4(std::uint32_t value) {
    IpAddress address;
    address.bytes_[12] = static_cast<std::uint8_t>(value >> 24);
    address.bytes_[13] = static_cast<std::uint8_t>(value >> 16);
    address.bytes_[14] = static_cast<std::uint8_t>(value >> 8);
    address.bytes_[15] = static_cast<std::uint8_t>(value);
    return address;
  }
  // `bytes` in network order; a mapped address is IPv4.
  static constexpr IpAddress from_bytes(const Bytes& bytes) {
    IpAddress address;
    address.bytes_ = bytes;
    return address;
  }
  // The two halves of an IPv6 address in host order: (0xfd00'0000'0000'0000, 1) is fd00::1.
  static constexpr IpAddress v6(std::uint64_t high, std::uint64_t low) {
    IpAddress address;
    for (unsigned i = 0; i < 8; ++i) {
      address.bytes_[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
      address.bytes_[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
    }
    return address;
  }
  // "::"; a listener there takes connections of both families.
  static constexpr IpAddress any_v6() { return v6(0, 0); }

  // Reads an address of either family, without a prefix and without a port.
  static Result<IpAddress> parse(std::string_view text);

  // The family. An IPv4 address is one that is mapped, ::ffff:a.b.c.d.
  constexpr bool is_v4() const { return high() == 0 && low() >> 32 == 0xffff; }
  constexpr bool is_v6() const { return !is_v4(); }
  // Host order; meaningful only if is_v4().
  constexpr std::uint32_t v4() const { return static_cast<std::uint32_t>(low()); }
  // The halves in host order, of either family.
  constexpr std::uint64_t high() const { return half(0); }
  constexpr std::uint64_t low() const { return half(8); }
  // 0.0.0.0 or ::.
  constexpr bool is_any() const { return high() == 0 && (low() == 0 || low() == 0xffff'0000'0000); }
  // 224.0.0.0/4, ff00::/8.
  constexpr bool is_multicast() const { return is_v4() ? v4() >> 28 == 14 : bytes_[0] == 0xff; }
  // fe80::/10
  constexpr bool is_link_local() const { return bytes_[0] == 0xfe && bytes_[1] >> 6 == 2; }
  // In network order, as the IPv6 header has them.
  constexpr const Bytes& bytes() const { return bytes_; }
  // In the form of RFC 5952: "10.0.0.1", "fd00::1".
  std::string to_string() const;

  // The address `n` after this one. Nothing is checked: 255.255.255.255 plus 1 is no IPv4 address.
  constexpr IpAddress plus(std::uint64_t n) const {
    const std::uint64_t sum = low() + n;
    return v6(high() + (sum < n ? 1 : 0), sum);
  }

  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  constexpr std::uint64_t half(unsigned at) const {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 8; ++i) value = value << 8 | bytes_[at + i];
    return value;
  }

  Bytes bytes_ = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
};

struct SALUT_API Endpoint {
  IpAddress address;
  std::uint16_t port = 0;  // host order

  // Reads "ADDR:PORT", port 1..65535, with an IPv6 address in brackets.
  static Result<Endpoint> parse(std::string_view text);
  std::string to_string() const;
  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// "10.0.0.1/24", "fd00::1/64": an address and the prefix that is on its link.
struct SALUT_API Prefix {
  IpAddress address;
  std::uint8_t length = 32;  // 0..32, IPv6 0..128

  // Reads "ADDR/LENGTH"; an address alone is a /32 or /128.
  static Result<Prefix> parse(std::string_view text);
  // The length of the prefix in the mapped form: an IPv4 /24 has 120 bits.
  constexpr unsigned length_128() const { return address.is_v4() ? length + 96u : length; }
  constexpr std::uint64_t mask_high() const { return mask(length_128()); }
  constexpr std::uint64_t mask_low() const {
    return length_128() <= 64 ? 0 : mask(length_128() - 64);
  }
  constexpr std::uint32_t mask_v4() const { return static_cast<std::uint32_t>(mask_low()); }
  // The first and the last address of the prefix.
  constexpr IpAddress first() const {
    return IpAddress::v6(address.high() & mask_high(), address.low() & mask_low());
  }
  constexpr IpAddress last() const {
    return IpAddress::v6(address.high() | ~mask_high(), address.low() | ~mask_low());
  }
  // Is the address on this link? Never, if it is of the other family.
  constexpr bool contains(IpAddress other) const {
    return address.is_v4() == other.is_v4() &&
           ((address.high() ^ other.high()) & mask_high()) == 0 &&
           ((address.low() ^ other.low()) & mask_low()) == 0;
  }
  std::string to_string() const;
  friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;

 private:
  static constexpr std::uint64_t mask(unsigned bits) {
    return bits == 0 ? 0 : bits >= 64 ? ~std::uint64_t{0} : ~std::uint64_t{0} << (64 - bits);
  }
};

// Consecutive addresses: "10.1.0.0/16" (every address of the prefix), "fd00:1::/112",
// "10.0.0.1-10.0.0.9", "fd00::1-fd00::ffff", or one.
struct SALUT_API AddressRange {
  IpAddress first;
  std::uint32_t count = 1;  // at least 1

  // Reads one of the forms above. It refuses a pair with more than 2^32 - 1 addresses and a prefix
  // with more than 2^31.
  static Result<AddressRange> parse(std::string_view text);
  constexpr IpAddress last() const { return first.plus(count - 1); }
  constexpr bool contains(IpAddress other) const { return first <= other && other <= last(); }
  std::string to_string() const;
  friend constexpr auto operator<=>(const AddressRange&, const AddressRange&) = default;
};

}  // namespace salut
