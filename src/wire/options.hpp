// TCP's options, read and written: MSS, window scale, SACK-permitted, SACK, timestamps.
//
// What a peer sends is walked within its length and nothing in it is believed: an unknown kind is
// skipped by its length, a length below 2 or past the end stops the walk (what follows has no known
// start), a known kind with a wrong length is skipped as if unknown, and of two of a kind the first
// counts. Options that belong to a SYN are not seen elsewhere (RFC 9293 §3.7.1, RFC 7323 §2.2).
//
// Thread safety: no state. Cost: the timestamps of an established connection, alone and aligned as
// everybody sends them, are one comparison; a SYN with the four options that we and Linux send, in
// that order, three; anything else is a walk over at most 40 bytes.
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

// NOP, NOP, timestamps, 10: the first word of the form that nearly all segments have.
inline constexpr std::uint32_t timestamps_word =
    option_nop | option_nop << 8 | option_timestamps << 16 | 10u << 24;

// Fills mss, wscale, options, tsval, tsecr, sack_* of `out`, whose flags and options_* are set.
// REQUIRES: out.options_length bytes at `frame` + out.options_offset.
void parse_options(const std::byte* frame, Segment& out);

// What a segment of ours carries. Sizes in bytes.
struct OptionsOut {
  std::uint16_t mss = 0;        // a SYN's; 0: none
  bool sack_permitted = false;  // a SYN's
  bool window_scale = false;    // a SYN's
  std::uint8_t wscale = 0;
  bool timestamps = false;
  std::uint32_t tsval = 0;
  std::uint32_t tsecr = 0;
  // Left and right edges in pairs, host order; as many pairs as fit are sent.
  std::span<const std::uint32_t> sack;
};

using OptionBytes = std::array<std::byte, tcp_options_max>;

// Timestamps alone, as every segment but a SYN has them: 12 bytes.
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
