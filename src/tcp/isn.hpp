// Initial sequence numbers, RFC 6528: a 4 µs clock plus a pseudo-random function of the 4-tuple
// with a secret key (prf.hpp), so that nobody who sees his own connections can guess another's.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "base/address.hpp"
#include "base/key.hpp"
#include "base/sequence.hpp"
#include "salut/time.hpp"
#include "tcp/prf.hpp"

namespace salut::tcp {

// What has a seed of its own. Who observes enough ports or flow labels can compute what made them;
// were that the stack's seed, he would have the key of the ISNs.
enum class SeedFor : std::uint64_t {
  source_ports = 1,
  address_fold = 2,  // of IPv6, and its flow labels
  neighbours = 4,    // the hash of their table
  listen_ports = 5,  // those that listen() chooses
};
inline std::uint64_t derived_seed(std::uint64_t seed, SeedFor purpose) {
  return SipHash(seed, ~seed)(static_cast<std::uint64_t>(purpose), 0);
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
  explicit IsnGenerator(const IsnKey& key)
      : prf_(key.low, key.high),
        isn_age_(static_cast<std::uint32_t>((key.age.count() + 0xfff) >> 12)),
        ts_age_(static_cast<std::uint32_t>((key.age.count() + 999'999) / 1'000'000)) {}
  explicit IsnGenerator(std::uint64_t seed)
      : IsnGenerator(
            IsnKey{seed * 0x9e3779b97f4a7c15 + 1, std::rotl(seed, 29) ^ 0xd1b54a32d192ed03}) {}

  // `whole`: the addresses of an IPv6 connection; null for IPv4, whose key has them. That of IPv6
  // has them folded with another secret, which is of this start: only its ports count.
  Tuple tuple(const Key& key, const AddressPair* whole = nullptr) const {
    std::uint64_t words[2] = {};
    std::memcpy(words, &key, sizeof(key));
    if (whole != nullptr) words[0] = 0;
    std::uint64_t hash = prf_(words[0], words[1]);
    // Chained: it is a pseudo-random function of each block and what came before.
    if (whole != nullptr) {
      hash = prf_(whole->remote.high ^ hash, whole->remote.low);
      hash = prf_(whole->local.high ^ hash, whole->local.low);
    }
    return {static_cast<std::uint32_t>(hash) + isn_age_,
            static_cast<std::uint32_t>(hash >> 32) + ts_age_};
  }

 private:
  Prf prf_;
  std::uint32_t isn_age_ = 0;  // in units of 4 µs
  std::uint32_t ts_age_ = 0;   // in ms
};

}  // namespace salut::tcp
