// A keyed pseudo-random function of sixteen bytes, for what the wire sees and nobody may guess:
// ISNs and the offsets of timestamps (RFC 6528 §3, RFC 7323 §5.4).
//
// Half a block of AES-128 where the processor has the instructions: 20 instructions where
// SipHash-2-4 needs 160, and each connection asks once at each end. SipHash elsewhere. Which of the
// two it is cannot change while a machine runs, so that a key that is kept for the next process
// (host/isn_file.hpp) gives that process the same values.
//
// Thread safety: immutable.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

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

// AES-128 of one block (FIPS 197). REQUIRES: available().
class AesBlock {
 public:
  using Bytes = std::array<std::uint8_t, 16>;

  static bool available();
  AesBlock(std::uint64_t k0, std::uint64_t k1);

  // The first half of the block, as a little-endian word.
  std::uint64_t operator()(std::uint64_t m0, std::uint64_t m1) const;

 private:
  alignas(16) std::array<Bytes, 11> round_keys_ = {};
};

class Prf {
 public:
  Prf(std::uint64_t k0, std::uint64_t k1)
      : has_aes_(AesBlock::available()), sip_(k0, k1), aes_(k0, k1) {}

  std::uint64_t operator()(std::uint64_t m0, std::uint64_t m1) const {
    return has_aes_ ? aes_(m0, m1) : sip_(m0, m1);
  }

 private:
  bool has_aes_;
  SipHash sip_;
  AesBlock aes_;
};

}  // namespace salut::tcp
