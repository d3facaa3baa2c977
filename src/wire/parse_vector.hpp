// The fast path of parse() in vectors (AVX2); only parse.cpp includes it.
//
// The first 64 bytes of a frame are nearly all header. They are loaded once, as two vectors. One
// compare with a template checks the constant bytes (our MAC, the type, an IP header without
// options, no fragment, TCP), one pass adds up both checksums, and two shuffles put the fields into
// the Segment in host order. A frame that differs in any way gets no verdict here: the caller
// parses it again, word by word.
//
// The addresses of the pseudo-header lie just before the segment in the packet. So for IPv4 and
// IPv6 the checksum is over one run of bytes, from the source address to the end, plus length and
// protocol.
//
// Reads up to 96 bytes of the buffer and masks those behind the packet: REQUIRES frame.room >=
// reach. sum() adds the bytes of longer packets from there on.
#pragma once

#ifdef __AVX2__

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "wire/parse_parts.hpp"

namespace salut::wire::detail {

inline constexpr std::size_t reach = 96;

inline __m256i vector_at(const std::byte* bytes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
}

// A mask of the first n bytes, 0..32.
inline __m256i first_bytes(std::size_t n) {
  alignas(64) static constexpr std::array<std::uint8_t, 64> window = [] {
    std::array<std::uint8_t, 64> bytes = {};
    for (unsigned i = 0; i < 32; ++i) bytes[i] = 0xff;
    return bytes;
  }();
  return vector_at(reinterpret_cast<const std::byte*>(window.data()) + 32 - n);
}

// A vector with a 1 in each of the words [from, to).
constexpr std::array<std::int16_t, 16> words_between(unsigned from, unsigned to) {
  std::array<std::int16_t, 16> words = {};
  for (unsigned i = from; i < to; ++i) words[i] = 1;
  return words;
}
template <unsigned from, unsigned to>
__m256i ones() {
  alignas(32) static constexpr std::array<std::int16_t, 16> words = words_between(from, to);
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(words.data()));
}

// madd with ones() adds the words that ones() selects, in pairs. It takes words as signed, so
// biased() first subtracts 32,768 (`bias`) from each, and the caller adds it to the sum again.
inline __m256i biased(__m256i v) {
  return _mm256_xor_si256(v, _mm256_set1_epi16(static_cast<short>(0x8000)));
}
inline constexpr std::uint32_t bias = 32'768;

// A sum of 16-bit words is right if it is a multiple of 65,535. Only for multiples is the product
// with the inverse of 65,535 (modulo 2^32) small.
constexpr bool is_right(std::uint32_t sum) {
  constexpr std::uint32_t inverse = 0xfffe'ffff;
  static_assert(inverse * 65'535u == 1);
  return sum * inverse <= 0xffff'ffffu / 65'535u;
}
static_assert(is_right(0xffff) && is_right(0x1fffe) && !is_right(0xfffe) && !is_right(1));

struct Sums {
  std::uint32_t ip;   // of the IPv4 header
  std::uint32_t tcp;  // of addresses and segment
};

// Adds up both checksums. `end`: where the packet ends in the frame, at least 54. `addresses`: the
// word of the frame at which the source address begins, and the TCP sum with it.
template <unsigned addresses>
Sums add_up(const std::byte* data, __m256i a, __m256i b, std::size_t end) {
  const __m256i c = vector_at(data + 64);
  const std::size_t in_b = std::min<std::size_t>(end - 32, 32);
  const std::size_t in_c = std::min<std::size_t>(std::max<std::size_t>(end, 64) - 64, 32);
  const __m256i all = ones<0, 16>();
  const __m256i a_words = biased(a);
  const __m256i b_words = biased(_mm256_and_si256(b, first_bytes(in_b)));
  const __m256i c_words = biased(_mm256_and_si256(c, first_bytes(in_c)));
  // The IPv4 header is words 7 to 16: nine in `a`, and one in `b`, which the mask always keeps.
  const __m256i ip = _mm256_add_epi32(_mm256_madd_epi16(a_words, ones<7, 16>()),
                                      _mm256_madd_epi16(b_words, ones<0, 1>()));
  const __m256i tcp = _mm256_add_epi32(
      _mm256_madd_epi16(a_words, ones<addresses, 16>()),
      _mm256_add_epi32(_mm256_madd_epi16(b_words, all), _mm256_madd_epi16(c_words, all)));
  const __m256i both = _mm256_hadd_epi32(ip, tcp);
  const __m128i half =
      _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
  const auto sums = static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_hadd_epi32(half, half)));
  return {static_cast<std::uint32_t>(sums) + 10 * bias,
          static_cast<std::uint32_t>(sums >> 32) + (16 - addresses + 32) * bias};
}

// Not inlined: few segments are so long, and its loop takes the registers of those that are not.
[[gnu::noinline]] inline std::uint32_t sum_beyond_reach(const std::byte* data, std::size_t end) {
  return fold(sum(data + reach, end - reach));
}

// Is the checksum of a segment right? `sum_so_far`: of the frame's first `reach` bytes.
inline bool is_right_tcp(const std::byte* data, std::size_t end, std::uint32_t sum_so_far,
                         std::size_t tcp_length) {
  std::uint32_t total = sum_so_far + net16(std::uint16_t{protocol_tcp}) +
                        net16(static_cast<std::uint16_t>(tcp_length));
  if (end > reach) [[unlikely]]
    total += sum_beyond_reach(data, end);
  return is_right(total);
}

// Stores ACK, window and flags of the header at `tcp`, in host order, and 0 as the port.
inline void store_ack(const std::byte* tcp, Segment& out) {
  static_assert(offsetof(Segment, wnd) == 20 && offsetof(Segment, flags) == 22 &&
                offsetof(Segment, port) == 23);
  const __m128i fields = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(tcp + 8));
  const __m128i order = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(&out.ack), _mm_shuffle_epi8(fields, order));
}

[[gnu::noinline]] inline void fill_other_options(const std::byte* data, std::size_t tcp_begin,
                                                 Segment& out) {
  fill_options(data, data + tcp_begin, out);
}

// Stores where payload and options are, and the options: timestamps alone, as nearly all segments
// have them, at once, and rarer options one by one.
inline void store_rest(const Frame& frame, std::size_t tcp_begin, std::size_t header_length,
                       std::size_t end, Segment& out) {
  static_assert(offsetof(Segment, payload_offset) == 26 && offsetof(Segment, mss) == 30 &&
                offsetof(Segment, options_offset) == 32 &&
                offsetof(Segment, options_length) == 34 && offsetof(Segment, ip_offset) == 37 &&
                offsetof(Segment, tsecr) == 52);
  auto* to = reinterpret_cast<std::byte*>(&out);
  const std::size_t payload = tcp_begin + header_length;
  out.port = static_cast<std::uint8_t>(frame.port);
  store(to + offsetof(Segment, payload_offset),
        static_cast<std::uint32_t>(payload | (end - payload) << 16));
  store(to + offsetof(Segment, mss), std::uint64_t{tcp_begin + tcp_size} << 16 |
                                         static_cast<std::uint64_t>(header_length - tcp_size)
                                             << 32 |
                                         std::uint64_t{ethernet_size} << 56);
  out.sack_count = 0;
  const std::byte* options = frame.data + tcp_begin + tcp_size;
  constexpr std::size_t stamped = tcp_size + 12;
  if (header_length == stamped && load<std::uint32_t>(options) == timestamps_word) [[likely]] {
    const __m128i stamps = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(options + 4));
    const __m128i order = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, -1, -1, -1, -1, -1, -1, -1, -1);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(&out.tsval), _mm_shuffle_epi8(stamps, order));
    out.options = option_has_timestamps;
  } else if (header_length != tcp_size) {
    fill_other_options(frame.data, tcp_begin, out);
  }
}

// Parses a plain packet of TCP over IPv4. False: `out` is of no use; parse it word by word.
[[gnu::always_inline]] inline bool parse_vector_4(const Frame& frame, const ParseOptions& options,
                                                  Segment& out) {
  const std::byte* data = frame.data;
  const __m256i a = vector_at(data);
  const __m256i b = vector_at(data + 32);
  const std::size_t end = ethernet_size + net16(load<std::uint16_t>(data + 16));
  const std::size_t header_length = std::to_integer<std::size_t>(data[46]) >> 2 & 0x3c;
  const auto source = std::to_integer<std::uint32_t>(data[26]);
  const auto ports = load<std::uint32_t>(data + tcp_at);
  bool off = !options.plain4.matches(a);
  off |= end > frame.length;
  off |= header_length < tcp_size;
  off |= tcp_at + header_length > end;
  off |= (source - 1 >= 223) | (source == 127);
  off |= ((ports & 0xffff) == 0) | (ports >> 16 == 0);
  if (off) [[unlikely]]
    return false;
  if (options.verify_checksums) {
    const Sums sums = add_up<13>(data, a, b, end);
    bool wrong = !is_right(sums.ip) & ((frame.flags & ip_checksum_good) == 0);
    wrong |=
        !is_right_tcp(data, end, sums.tcp, end - tcp_at) & ((frame.flags & l4_checksum_good) == 0);
    if (wrong) [[unlikely]]
      return false;
  }
  // Addresses and ports in network order, as a key has them, and SEQ in host order.
  static_assert(offsetof(Segment, key) == 0 && offsetof(Segment, seq) == 12);
  const __m128i order = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 14, 13, 12);
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(&out),
      _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data + 26)), order));
  store_ack(data + tcp_at, out);
  out.traffic_class = std::to_integer<std::uint8_t>(data[15]);
  out.ip6 = false;
  store_rest(frame, tcp_at, header_length, end, out);
  return true;
}

// The same for IPv6 without extension headers.
inline bool parse_vector_6(const Frame& frame, const ParseOptions& options, Segment& out) {
  const std::byte* data = frame.data;
  const __m256i a = vector_at(data);
  if (frame.length < tcp_frame_min_6) [[unlikely]]
    return false;
  const __m256i b = vector_at(data + 32);
  const std::size_t end = tcp_at_6 + net16(load<std::uint16_t>(data + 18));
  const std::size_t header_length = std::to_integer<std::size_t>(data[66]) >> 2 & 0x3c;
  const auto ports = load<std::uint32_t>(data + tcp_at_6);
  const auto& ip = view<Ipv6Header>(data + ethernet_size);
  const Address source = ip.source;
  const Address destination = ip.destination;
  bool off = !options.plain6.matches(a);
  off |= end > frame.length;
  off |= header_length < tcp_size;
  off |= tcp_at_6 + header_length > end;
  off |= source.is_multicast();
  off |= source.high == 0;  // unspecified, loopback, mapped, and others that no host has
  off |= ((ports & 0xffff) == 0) | (ports >> 16 == 0);
  if (off) [[unlikely]]
    return false;
  if (options.verify_checksums && (frame.flags & l4_checksum_good) == 0) {
    const Sums sums = add_up<11>(data, a, b, end);
    if (!is_right_tcp(data, end, sums.tcp, end - tcp_at_6)) [[unlikely]]
      return false;
  }
  auto* key = reinterpret_cast<std::byte*>(&out.key);
  const AddressFold& fold_address = *options.fold;
  store(key, std::uint64_t{fold_address(destination)} << 32 | fold_address(source));
  store(key + 8, std::uint64_t{ports} |
                     std::uint64_t{net32(load<std::uint32_t>(data + tcp_at_6 + 4))} << 32);
  store_ack(data + tcp_at_6, out);
  out.traffic_class = static_cast<std::uint8_t>(net32(ip.version_class_label) >> 20);
  out.ip6 = true;
  store_rest(frame, tcp_at_6, header_length, end, out);
  return true;
}

}  // namespace salut::wire::detail

#endif
