#include "tcp/prf.hpp"

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace salut::tcp {

#ifdef __x86_64__

namespace {

using Vector = __m128i;

Vector load(const AesBlock::Bytes& bytes) {
  return _mm_load_si128(reinterpret_cast<const Vector*>(bytes.data()));
}

// FIPS 197 §5.2. The constant of a round must be one of the instruction's own.
template <int constant>
[[gnu::target("aes")]] Vector next_round_key(Vector key) {
  const Vector word =
      _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key, constant), _MM_SHUFFLE(3, 3, 3, 3));
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
  return _mm_xor_si128(key, word);
}

[[gnu::target("aes")]] void expand_key(std::uint64_t k0, std::uint64_t k1,
                                       std::array<AesBlock::Bytes, 11>& keys) {
  Vector key = _mm_set_epi64x(static_cast<long long>(k1), static_cast<long long>(k0));
  auto* to = reinterpret_cast<Vector*>(keys.data());
  const auto store = [&to](Vector round_key) { _mm_store_si128(to++, round_key); };
  store(key);
  store(key = next_round_key<0x01>(key));
  store(key = next_round_key<0x02>(key));
  store(key = next_round_key<0x04>(key));
  store(key = next_round_key<0x08>(key));
  store(key = next_round_key<0x10>(key));
  store(key = next_round_key<0x20>(key));
  store(key = next_round_key<0x40>(key));
  store(key = next_round_key<0x80>(key));
  store(key = next_round_key<0x1b>(key));
  store(next_round_key<0x36>(key));
}

}  // namespace

bool AesBlock::available() { return __builtin_cpu_supports("aes") != 0; }

AesBlock::AesBlock(std::uint64_t k0, std::uint64_t k1) {
  if (available()) expand_key(k0, k1, round_keys_);
}

[[gnu::target("aes")]] std::uint64_t AesBlock::operator()(std::uint64_t m0,
                                                          std::uint64_t m1) const {
  Vector block = _mm_set_epi64x(static_cast<long long>(m1), static_cast<long long>(m0));
  block = _mm_xor_si128(block, load(round_keys_[0]));
#pragma GCC unroll 9
  for (std::size_t round = 1; round < 10; ++round)
    block = _mm_aesenc_si128(block, load(round_keys_[round]));
  block = _mm_aesenclast_si128(block, load(round_keys_[10]));
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(block));
}

#else

bool AesBlock::available() { return false; }
AesBlock::AesBlock(std::uint64_t, std::uint64_t) {}
std::uint64_t AesBlock::operator()(std::uint64_t, std::uint64_t) const { return 0; }

#endif

}  // namespace salut::tcp
