// A whole address of either family as the core keeps it: 16 bytes in network order, IPv4 mapped
// (::ffff:a.b.c.d). Two 64-bit compares tell whether two addresses are equal.
//
// A connection's key (key.hpp) has room for four bytes of each address. That is all of an IPv4
// address; an IPv6 one is folded into them by a hash whose key is random at each start. The fold
// only finds a candidate and never decides: code that matched the key of an IPv6 connection then
// compares the whole addresses. They are in an array beside the TCBs and beside the TIME_WAIT
// records, which only IPv6 touches. So the flow table, the hot line and the fast path are the same
// for both families, and IPv6 costs IPv4 one more bit to compare.
//
// Flood resistance: nobody without the key can choose addresses whose folds collide, nor IPv6
// addresses that fold to a given IPv4 one. A collision by chance (one pair in 2^32) costs one more
// comparison.
//
// Thread safety: values. Cost of a fold: two multiplications.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/hash.hpp"
#include "base/key.hpp"
#include "salut/address.hpp"

namespace salut {

// Packed, because an address in a received header may be unaligned.
struct [[gnu::packed, gnu::may_alias]] Address {
  std::uint64_t high = 0;  // the first eight bytes as they lie in memory
  std::uint64_t low = 0;

  // `address_be` in network order.
  static constexpr Address v4(std::uint32_t address_be) {
    return Address{0, mapped | std::uint64_t{address_be} << 32};
  }
  static constexpr Address of(const IpAddress& address) {
    return std::bit_cast<Address>(address.bytes());
  }
  static Address read(const void* bytes) {
    Address address;
    std::memcpy(&address, bytes, sizeof(address));
    return address;
  }
  constexpr bool is_v4() const { return high == 0 && (low & 0xffffffff) == mapped; }
  // Network order; meaningful only if is_v4().
  constexpr std::uint32_t v4() const { return static_cast<std::uint32_t>(low >> 32); }
  // 0.0.0.0 and ::.
  constexpr bool is_any() const { return high == 0 && (low == 0 || low == mapped); }
  constexpr std::uint8_t byte(unsigned n) const {
    return static_cast<std::uint8_t>((n < 8 ? high : low) >> (8 * (n % 8)));
  }
  // ff00::/8 and fe80::/10. For IPv6 only: an IPv4 address is neither.
  constexpr bool is_multicast() const { return byte(0) == 0xff; }
  constexpr bool is_link_local() const { return byte(0) == 0xfe && (byte(1) & 0xc0) == 0x80; }
  IpAddress ip() const { return IpAddress::from_bytes(std::bit_cast<Bytes>(*this)); }

  friend constexpr bool operator==(const Address&, const Address&) = default;

 private:
  using Bytes = std::array<std::uint8_t, 16>;
  static constexpr std::uint64_t mapped = 0xffff0000;
};
static_assert(sizeof(Address) == 16 && std::endian::native == std::endian::little);

// Both ends of an IPv6 connection, in the order of a received header: source, destination.
struct [[gnu::packed, gnu::may_alias]] AddressPair {
  Address remote;
  Address local;

  // `source`: of the source address in an IPv6 header.
  static AddressPair read(const void* source) {
    AddressPair pair;
    std::memcpy(&pair, source, sizeof(pair));
    return pair;
  }
  friend constexpr bool operator==(const AddressPair&, const AddressPair&) = default;
};
static_assert(sizeof(AddressPair) == 32);

// The keyed hash that folds the 128 bits of an address into 32.
class AddressFold {
 public:
  explicit constexpr AddressFold(std::uint64_t seed) {
    for (std::uint64_t& secret : secrets_) secret = expand(seed);
  }
  constexpr std::uint32_t operator()(const Address& address) const {
    const std::uint64_t first = fold(address.high ^ secrets_[0], address.low ^ secrets_[1]);
    const std::uint64_t second =
        fold(first ^ address.low ^ secrets_[2], first ^ address.high ^ secrets_[3]);
    return static_cast<std::uint32_t>(second >> 32);
  }
  // The key of a connection between these two; ports in network order.
  constexpr Key key(const AddressPair& pair, std::uint16_t remote_port,
                    std::uint16_t local_port) const {
    return Key{(*this)(pair.remote), (*this)(pair.local), remote_port, local_port};
  }
  // The 20-bit flow label of RFC 6437: one per flow, and others cannot guess it. It is a hash of
  // the key under two secrets that fold addresses do not use.
  constexpr std::uint32_t label(const Key& key) const {
    const std::uint64_t addresses = std::uint64_t{key.local_addr} << 32 | key.remote_addr;
    const std::uint64_t ports = std::uint64_t{key.local_port} << 16 | key.remote_port;
    const std::uint64_t first = fold(addresses ^ secrets_[4], ports ^ secrets_[5]);
    return static_cast<std::uint32_t>(fold(first ^ secrets_[5], addresses ^ secrets_[4]) >> 44);
  }

 private:
  std::array<std::uint64_t, 6> secrets_ = {};
};

// For code that parses packets but has no connections.
inline constexpr AddressFold unkeyed_fold{0};

}  // namespace salut
