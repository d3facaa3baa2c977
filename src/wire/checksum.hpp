// The Internet checksum (RFC 1071), its TCP pseudo-header, and its update in place (RFC 1624).
//
// Sums are kept in 64 bits over 32-bit words as they lie in memory. One's complement addition works
// in any byte order and with any width of words, as long as the carries are added at the end: so no
// word is swapped, and carries are folded once. A sum over 64 KiB has 2^14 words: its 2^46 is far
// from an overflow.
//
// With AVX2 a TCP header with its options, 20 to 60 bytes, is two masked loads and no branch that
// depends on the length: a mix of SYNs, ACKs and timestamps does not mispredict. No byte beyond
// `length` is read (masked lanes are not accessed).
//
// A checksum is a value as stored in a header: it needs no net16().
#pragma once

#include <cstddef>
#include <cstdint>

#include "wire/headers.hpp"

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace salut::wire {

// End-around carries, twice: the upper half of x + rotate(x) is the folded sum.
constexpr std::uint16_t fold(std::uint64_t sum) {
  sum += sum << 32 | sum >> 32;
  auto half = static_cast<std::uint32_t>(sum >> 32);
  half += half << 16 | half >> 16;
  return static_cast<std::uint16_t>(half >> 16);
}

constexpr std::uint16_t complement(std::uint64_t sum) {
  return static_cast<std::uint16_t>(~fold(sum));
}

// The sum of the two 32-bit words in `pair`.
constexpr std::uint64_t halves(std::uint64_t pair) { return (pair & 0xffffffff) + (pair >> 32); }

// The sum of 20 bytes: an IPv4 or a TCP header without options.
inline std::uint64_t sum_20(const std::byte* bytes) {
  return halves(load<std::uint64_t>(bytes)) + halves(load<std::uint64_t>(bytes + 8)) +
         load<std::uint32_t>(bytes + 16);
}

// The last length % 4 bytes of a range that ends at `end`. REQUIRES: length >= 4.
inline std::uint64_t sum_last_bytes(const std::byte* end, std::size_t length) {
  return std::uint64_t{load<std::uint32_t>(end - 4)} >> (32 - 8 * (length % 4));
}

inline std::uint64_t sum_words_scalar(const std::byte* bytes, std::size_t length) {
  std::uint64_t sum = 0;
  for (; length >= 16; length -= 16, bytes += 16) {
    sum += halves(load<std::uint64_t>(bytes)) + halves(load<std::uint64_t>(bytes + 8));
  }
  for (; length >= 4; length -= 4, bytes += 4) sum += load<std::uint32_t>(bytes);
  return sum;
}

#ifdef __AVX2__
namespace detail {
// Loading eight words at index 16 - n gives a mask whose first n lanes are set.
alignas(64) inline constexpr std::int32_t lane_mask[32] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                           -1, -1, -1, -1, -1, -1, -1, -1};
inline __m256i halves(__m256i pairs) {
  return _mm256_add_epi64(_mm256_blend_epi32(pairs, _mm256_setzero_si256(), 0xaa),
                          _mm256_srli_epi64(pairs, 32));
}
inline __m256i masked(const std::byte* bytes, const std::int32_t* mask) {
  return _mm256_maskload_epi32(reinterpret_cast<const int*>(bytes),
                               _mm256_loadu_si256(reinterpret_cast<const __m256i*>(mask)));
}
inline __m256i whole(const std::byte* bytes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
}
}  // namespace detail

inline std::uint64_t sum_words_avx2(const std::byte* bytes, std::size_t length) {
  __m256i even = _mm256_setzero_si256();
  __m256i odd = _mm256_setzero_si256();
  for (; length > 64; length -= 64, bytes += 64) {
    even = _mm256_add_epi64(even, detail::halves(detail::whole(bytes)));
    odd = _mm256_add_epi64(odd, detail::halves(detail::whole(bytes + 32)));
  }
  const std::int32_t* mask = detail::lane_mask + 16 - length / 4;
  even = _mm256_add_epi64(even, detail::halves(detail::masked(bytes, mask)));
  odd = _mm256_add_epi64(odd, detail::halves(detail::masked(bytes + 32, mask + 8)));
  const __m256i lanes = _mm256_add_epi64(even, odd);
  const __m128i two =
      _mm_add_epi64(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(two)) +
         static_cast<std::uint64_t>(_mm_extract_epi64(two, 1));
}
#endif

// The sum of `length` bytes, any length and alignment, an odd last byte padded with zero.
inline std::uint64_t sum(const std::byte* bytes, std::size_t length) {
  if (length < 4) [[unlikely]] {
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < length; ++i) {
      last |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
    }
    return last;
  }
#ifdef __AVX2__
  const std::uint64_t words = sum_words_avx2(bytes, length);
#else
  const std::uint64_t words = sum_words_scalar(bytes, length);
#endif
  return words + sum_last_bytes(bytes + length, length);
}

// To send: the checksum of bytes whose checksum field is zero. On receipt: 0 if the bytes are
// right.
inline std::uint16_t internet_checksum(const std::byte* bytes, std::size_t length) {
  return complement(sum(bytes, length));
}

// RFC 9293 §3.1: addresses in network order, the length of header and payload in host order.
constexpr std::uint64_t pseudo_header_sum(std::uint32_t source_be, std::uint32_t destination_be,
                                          std::size_t tcp_length) {
  return std::uint64_t{source_be} + destination_be + net16(std::uint16_t{protocol_tcp}) +
         net16(static_cast<std::uint16_t>(tcp_length));
}

// As internet_checksum(), of a segment: `tcp` is its header, `length` covers the payload.
inline std::uint16_t tcp_checksum(std::uint32_t source_be, std::uint32_t destination_be,
                                  const std::byte* tcp, std::size_t length) {
  return complement(sum(tcp, length) + pseudo_header_sum(source_be, destination_be, length));
}

// RFC 8200 §8.1: `addresses` is source and destination, 32 bytes as in the header; the length of
// what follows the IPv6 and extension headers.
inline std::uint64_t pseudo_header_sum_6(const std::byte* addresses, std::uint8_t protocol,
                                         std::size_t length) {
  std::uint64_t total =
      std::uint64_t{net32(static_cast<std::uint32_t>(length))} + net32(std::uint32_t{protocol});
  for (std::size_t at = 0; at < 32; at += 8) total += halves(load<std::uint64_t>(addresses + at));
  return total;
}

// As internet_checksum(), of TCP or ICMPv6 over IPv6.
inline std::uint16_t checksum_6(const std::byte* addresses, std::uint8_t protocol,
                                const std::byte* bytes, std::size_t length) {
  return complement(sum(bytes, length) + pseudo_header_sum_6(addresses, protocol, length));
}

// RFC 1624 equation 3: the checksum after one 16-bit word changed, all three as stored.
constexpr std::uint16_t update_checksum(std::uint16_t checksum, std::uint16_t before,
                                        std::uint16_t after) {
  return complement(std::uint64_t{static_cast<std::uint16_t>(~checksum)} +
                    static_cast<std::uint16_t>(~before) + after);
}

}  // namespace salut::wire
