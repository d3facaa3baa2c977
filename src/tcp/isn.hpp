// Initial sequence numbers, RFC 6528: a 4 µs clock plus a keyed hash of the 4-tuple, SipHash-2-4
// with a secret key, so that nobody who sees his own connections can guess another's.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "base/address.hpp"
#include "base/key.hpp"
#include "base/sequence.hpp"
#include "salut/time.hpp"

namespace salut::tcp {

class SipHash {
 public:
  constexpr SipHash(std::uint64_t k0, std::uint64_t k1) : k0_(k0), k1_(k1) {}

  // Of sixteen bytes, given as two little-endian words.
  constexpr std::uint64_t operator()(std::uint64_t m0, std::uint64_t m1) const {
    std::uint64_t v0 = k0_ ^ 0x736f6d6570736575, v1 = k1_ ^ 0x646f72616e646f6d;
    std::uint64_t v2 = k0_ ^ 0x6c7967656e657261, v3 = k1_ ^ 0x7465646279746573;
    const auto round = [&] {
      v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
      v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
    };
    const auto absorb = [&](std::uint64_t m) {
      v3 ^= m;
      round(), round();
      v0 ^= m;
    };
    absorb(m0);
    absorb(m1);
    absorb(std::uint64_t{16} << 56);  // the length, as the specification pads
    v2 ^= 0xff;
    round(), round(), round(), round();
    return v0 ^ v1 ^ v2 ^ v3;
  }

 private:
  std::uint64_t k0_;
  std::uint64_t k1_;
};

// The seed of one purpose: source ports, the folding of IPv6 addresses (flow labels), the hash of
// neighbours. Who observes enough ports or labels can compute what made them; were that the seed
// itself, he would have the key of the ISNs.
inline std::uint64_t derived_seed(std::uint64_t seed, std::uint64_t purpose) {
  return SipHash(seed, ~seed)(purpose, 0);
}

// What RFC 6528 and RFC 7323 §5.4 give each 4-tuple: the same again as long as the key lives, so
// that both clocks go on where an earlier connection of the tuple left off.
struct Tuple {
  std::uint32_t isn_offset = 0;
  std::uint32_t ts_offset = 0;

  Seq isn(Instant now) const {
    const auto clock = static_cast<std::uint64_t>(now.time_since_epoch().count()) >> 12;
    return Seq{static_cast<std::uint32_t>(isn_offset + clock)};
  }
};

// A key, and how old the clock of both is at Instant 0. A process that takes over the key of an
// earlier one, and its clock (host/isn_file.hpp), opens with SYNs that are newer than all of the
// other's.
struct IsnKey {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  Duration age{};
};

class IsnGenerator {
 public:
  explicit constexpr IsnGenerator(const IsnKey& key)
      : hash_(key.low, key.high),
        isn_age_(static_cast<std::uint32_t>((key.age.count() + 0xfff) >> 12)),
        ts_age_(static_cast<std::uint32_t>((key.age.count() + 999'999) / 1'000'000)) {}
  explicit constexpr IsnGenerator(std::uint64_t seed)
      : IsnGenerator(
            IsnKey{seed * 0x9e3779b97f4a7c15 + 1, std::rotl(seed, 29) ^ 0xd1b54a32d192ed03}) {}

  // `whole`: the addresses of an IPv6 connection; null for IPv4, whose key has them. That of IPv6
  // has them folded with another secret, which is of this start: only its ports count.
  Tuple tuple(const Key& key, const AddressPair* whole = nullptr) const {
    std::uint64_t words[2] = {};
    std::memcpy(words, &key, sizeof(key));
    if (whole != nullptr) words[0] = 0;
    std::uint64_t hash = hash_(words[0], words[1]);
    // Chained: SipHash is a pseudo-random function of each block and what came before.
    if (whole != nullptr) {
      hash = hash_(whole->remote.high ^ hash, whole->remote.low);
      hash = hash_(whole->local.high ^ hash, whole->local.low);
    }
    return {static_cast<std::uint32_t>(hash) + isn_age_,
            static_cast<std::uint32_t>(hash >> 32) + ts_age_};
  }

 private:
  SipHash hash_;
  std::uint32_t isn_age_ = 0;  // in units of 4 µs
  std::uint32_t ts_age_ = 0;   // in ms
};

}  // namespace salut::tcp
