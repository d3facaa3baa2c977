// TCP's options, read and written: MSS, window scale, SACK-permitted, SACK, timestamps.
//
// The walk over a peer's options trusts no length. It skips an unknown kind by its length. It stops
// at a length below 2 or past the end, because nobody knows where the next option starts. It skips
// a known kind with a wrong length as if it were unknown. Of two of a kind the first counts.
// Options that belong to a SYN are ignored on other segments (RFC 9293 §3.7.1, RFC 7323 §2.2).
//
// Thread safety: no state. Cost: timestamps alone, aligned as nearly all stacks send them on an
// established connection, are one comparison (parse_parts.hpp); a SYN with the four options that we
// and Linux send, in the same order, is three; anything else is a walk over at most 40 bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "wire/headers.hpp"
#include "wire/segment.hpp"

namespace salut::wire {

inline constexpr std::uint8_t option_window_scale = 3;
inline constexpr std::uint8_t option_sack_permitted = 4;
inline constexpr std::uint8_t option_sack = 5;
inline constexpr std::uint8_t option_timestamps = 8;

// NOP, NOP, timestamps, length 10: the first word of the options of nearly all segments.
inline constexpr std::uint32_t timestamps_word =
    option_nop | option_nop << 8 | option_timestamps << 16 | 10u << 24;

// The constant parts of a usual SYN's: MSS, SACK-permitted and timestamps, NOP and window scale.
inline constexpr std::uint32_t syn_mss_word = option_mss | 4u << 8;
inline constexpr std::uint32_t syn_timestamps_word =
    option_sack_permitted | 2u << 8 | option_timestamps << 16 | 10u << 24;
inline constexpr std::uint32_t syn_scale_word = option_nop | option_window_scale << 8 | 3u << 16;

// Fills mss, wscale, options, tsval, tsecr, sack_* of `out`, whose flags and options_* are set.
// REQUIRES: out.options_length bytes at `frame` + out.options_offset.
void parse_options(const std::byte* frame, Segment& out);

// The options of a segment that we send.
struct OptionsOut {
  std::uint16_t mss = 0;        // a SYN's; 0: none
  bool sack_permitted = false;  // a SYN's
  bool window_scale = false;    // a SYN's
  std::uint8_t wscale = 0;
  bool timestamps = false;
  std::uint32_t tsval = 0;
  std::uint32_t tsecr = 0;
  // Blocks as pairs of left and right edge, host order; as many pairs as fit are sent.
  std::span<const std::uint32_t> sack;
};

using OptionBytes = std::array<std::byte, tcp_options_max>;

// Writes timestamps alone, as on most segments that are no SYN: 12 bytes.
inline std::size_t emit_timestamps(OptionBytes& to, std::uint32_t tsval, std::uint32_t tsecr) {
  store(to.data(), timestamps_word);
  store(to.data() + 4, std::uint64_t{net32(tsecr)} << 32 | net32(tsval));
  return 12;
}

// Returns how many bytes were written: a multiple of four, at most 40.
std::size_t emit_options(OptionBytes& to, const OptionsOut& options);

// Edge `n` (0 the left one of the first block, 1 its right one, …) of a received SACK option.
inline std::uint32_t sack_edge(const std::byte* frame, const Segment& segment, unsigned n) {
  return net32(load<std::uint32_t>(frame + segment.sack_offset + std::size_t{4} * n));
}

}  // namespace salut::wire
