#include "tcp/syn_cookie.hpp"

#include <cstring>

namespace salut::tcp {
namespace {

constexpr unsigned sum_bits = 29;
constexpr std::uint32_t sum_mask = (1u << sum_bits) - 1;
constexpr std::uint32_t stamp_bits = 6;
constexpr std::uint32_t no_scale = 15;

}  // namespace

std::uint32_t SynCookies::sum(const Key& key, Seq irs, std::uint32_t when,
                              std::uint32_t mss) const {
  std::uint64_t words[2] = {};
  std::memcpy(words, &key, sizeof(key));
  words[1] |= std::uint64_t{irs.value} << 32;
  // The rest has its own place: folded in after the first pass, so that it cannot cancel a field.
  const std::uint64_t first = hash_(words[0], words[1]);
  return static_cast<std::uint32_t>(hash_(first, std::uint64_t{when} << 32 | mss)) & sum_mask;
}

Seq SynCookies::make(const Key& key, Seq irs, std::uint16_t mss, Instant now) {
  std::uint32_t index = 0;
  while (index + 1 < mss_list.size() && mss_list[index + 1] <= mss) ++index;
  last_sent_ = unit(now);
  any_sent_ = true;
  return Seq{index << sum_bits | sum(key, irs, last_sent_, index)};
}

std::uint32_t SynCookies::stamp(std::uint32_t clock, const CookieContent& content) {
  const std::uint32_t bits = (content.scaling ? std::uint32_t{content.wscale} : no_scale) |
                             (content.sack ? 1u << 4 : 0u) | (content.ecn ? 1u << 5 : 0u);
  const std::uint32_t value = (clock & ~((1u << stamp_bits) - 1)) | bits;
  // Never ahead of the clock: the next TSval must not be older.
  return static_cast<std::int32_t>(value - clock) > 0 ? value - (1u << stamp_bits) : value;
}

std::optional<CookieContent> SynCookies::check(const wire::Segment& ack, Instant now) const {
  const std::uint32_t present = unit(now);
  if (!any_sent_ || present - last_sent_ > 1) return std::nullopt;
  const std::uint32_t cookie = ack.ack - 1;
  const std::uint32_t mss = cookie >> sum_bits;
  const auto is_of = [&](std::uint32_t when) {
    return sum(ack.key, Seq{ack.seq - 1}, when, mss) == (cookie & sum_mask);
  };
  if (!is_of(present) && !is_of(present - 1)) return std::nullopt;
  CookieContent content;
  content.mss = mss_list[mss];
  content.timestamps = (ack.options & wire::option_has_timestamps) != 0;
  if (content.timestamps) {
    const std::uint32_t scale = ack.tsecr & 15;
    content.scaling = scale != no_scale;
    content.wscale = static_cast<std::uint8_t>(content.scaling ? scale : 0);
    content.sack = (ack.tsecr >> 4 & 1) != 0;
    content.ecn = (ack.tsecr >> 5 & 1) != 0;
  }
  return content;
}

}  // namespace salut::tcp
