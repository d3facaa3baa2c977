#include "wire/options.hpp"

#include <algorithm>

namespace salut::wire {
namespace {

// Reads one option at frame + at; its `size` includes kind and length.
void take(const std::byte* frame, std::size_t at, std::uint8_t kind, std::size_t size, bool is_syn,
          Segment& out) {
  const std::byte* value = frame + at + 2;
  const auto first = [&out](OptionBit bit) {
    const bool fresh = (out.options & bit) == 0;
    out.options = static_cast<std::uint8_t>(out.options | bit);
    return fresh;
  };
  if (kind == option_mss && size == 4 && is_syn && out.mss == 0) {
    out.mss = net16(load<std::uint16_t>(value));
  } else if (kind == option_window_scale && size == 3 && is_syn) {
    if (first(option_has_window_scale)) out.wscale = std::to_integer<std::uint8_t>(*value);
  } else if (kind == option_sack_permitted && size == 2 && is_syn) {
    first(option_has_sack_permitted);
  } else if (kind == option_timestamps && size == 10) {
    if (!first(option_has_timestamps)) return;
    out.tsval = net32(load<std::uint32_t>(value));
    out.tsecr = net32(load<std::uint32_t>(value + 4));
  } else if (kind == option_sack && size >= 10 && (size - 2) % 8 == 0 && !is_syn &&
             out.sack_count == 0) {
    out.sack_count = static_cast<std::uint8_t>((size - 2) / 8);
    out.sack_offset = static_cast<std::uint16_t>(at + 2);
  }
}

// Reads the options of a usual SYN: MSS, SACK-permitted, timestamps, NOP, window scale. False: they
// are others.
bool parse_usual_syn(const std::byte* options, Segment& out) {
  const auto mss = load<std::uint32_t>(options);
  const auto scale = load<std::uint32_t>(options + 16);
  bool other = (mss & 0xffff) != syn_mss_word;
  other |= mss >> 16 == 0;  // no value
  other |= load<std::uint32_t>(options + 4) != syn_timestamps_word;
  other |= (scale & 0xff'ffff) != syn_scale_word;
  if (other) return false;
  out.mss = net16(static_cast<std::uint16_t>(mss >> 16));
  out.options = option_has_window_scale | option_has_sack_permitted | option_has_timestamps;
  out.sack_count = 0;
  out.tsval = net32(load<std::uint32_t>(options + 8));
  out.tsecr = net32(load<std::uint32_t>(options + 12));
  out.wscale = static_cast<std::uint8_t>(scale >> 24);
  return true;
}

}  // namespace

void parse_options(const std::byte* frame, Segment& out) {
  if ((out.flags & syn) != 0 && out.options_length == 20 &&
      parse_usual_syn(frame + out.options_offset, out)) [[likely]] {
    return;
  }
  out.mss = 0;
  out.options = 0;
  out.sack_count = 0;
  const bool is_syn = (out.flags & syn) != 0;
  std::size_t at = out.options_offset;
  const std::size_t end = at + out.options_length;
  while (at < end) {
    const auto kind = std::to_integer<std::uint8_t>(frame[at]);
    if (kind == option_end) return;
    if (kind == option_nop) {
      ++at;
      continue;
    }
    if (end - at < 2) return;
    const auto size = std::to_integer<std::uint8_t>(frame[at + 1]);
    if (size < 2 || size > end - at) return;
    take(frame, at, kind, size, is_syn, out);
    at += size;
  }
}

std::size_t emit_options(OptionBytes& to, const OptionsOut& options) {
  std::size_t at = 0;
  const auto word = [&](std::uint32_t value) {
    store(to.data() + at, net32(value));
    at += 4;
  };
  constexpr std::uint32_t nop = option_nop;
  if (options.mss != 0) word(std::uint32_t{option_mss} << 24 | 4u << 16 | options.mss);
  // The order is that of Linux, which every middlebox has seen. SACK-permitted takes the place of
  // the two NOPs that would align the timestamps.
  const std::uint32_t pair =
      options.sack_permitted ? std::uint32_t{option_sack_permitted} << 8 | 2 : nop << 8 | nop;
  if (options.timestamps) {
    word(pair << 16 | std::uint32_t{option_timestamps} << 8 | 10);
    word(options.tsval);
    word(options.tsecr);
  } else if (options.sack_permitted) {
    word((nop << 8 | nop) << 16 | pair);
  }
  if (options.window_scale) {
    word(nop << 24 | std::uint32_t{option_window_scale} << 16 | 3u << 8 | options.wscale);
  }
  const std::size_t room = tcp_options_max - at;
  if (options.sack.size() >= 2 && room >= 12) {
    const std::size_t blocks = std::min(options.sack.size() / 2, (room - 4) / 8);
    word((nop << 8 | nop) << 16 | std::uint32_t{option_sack} << 8 |
         static_cast<std::uint32_t>(2 + 8 * blocks));
    for (std::size_t i = 0; i < 2 * blocks; ++i) word(options.sack[i]);
  }
  return at;
}

}  // namespace salut::wire
