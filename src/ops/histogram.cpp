#include "ops/histogram.hpp"

#include <cmath>

namespace salut::ops {

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < size; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
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

}  // namespace salut::ops
