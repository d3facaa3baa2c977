#include "load/histogram.hpp"

#include <charconv>
#include <cmath>

namespace salut::load {

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < size; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

std::string Histogram::to_text() const {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    if (counts_[i] == 0) continue;
    if (!text.empty()) text += ' ';
    text += std::to_string(i) + ':' + std::to_string(counts_[i]);
  }
  return text;
}

std::optional<Histogram> Histogram::from_text(std::string_view text, std::uint64_t max) {
  Histogram histogram;
  const char* at = text.data();
  const char* const end = at + text.size();
  std::size_t last = 0;
  while (at != end) {
    std::size_t step = 0;
    std::uint64_t count = 0;
    if (histogram.count_ != 0 && *at++ != ' ') return std::nullopt;
    const auto [colon, no_step] = std::from_chars(at, end, step);
    if (no_step != std::errc{} || colon == end || *colon != ':') return std::nullopt;
    const auto [after, no_count] = std::from_chars(colon + 1, end, count);
    const bool in_order = histogram.count_ == 0 || step > last;
    if (no_count != std::errc{} || step >= size || count == 0 || !in_order) return std::nullopt;
    if (count > ~std::uint64_t{0} - histogram.count_) return std::nullopt;
    histogram.counts_[step] = count;
    histogram.count_ += count;
    last = step;
    at = after;
  }
  const bool agrees = histogram.count_ == 0 ? max == 0 : index(max) == last;
  if (!agrees) return std::nullopt;
  histogram.max_ = max;
  return histogram;
}

double Histogram::middle(std::size_t index) {
  if (index < 2 * steps) return static_cast<double>(index);
  const auto shift = static_cast<unsigned>(index / steps) - 1;
  const std::uint64_t low = (index - shift * steps) << shift;
  return static_cast<double>(low) + static_cast<double>((std::uint64_t{1} << shift) - 1) / 2;
}

double Histogram::percentile(double percent) const {
  if (count_ == 0) return 0;
  const double share = std::clamp(percent, 0.0, 100.0) / 100 * static_cast<double>(count_);
  const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < size; ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(middle(i), static_cast<double>(max_));
  }
  return static_cast<double>(max_);
}

}  // namespace salut::load
