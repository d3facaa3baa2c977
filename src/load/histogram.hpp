// A histogram of latencies: 128 linear steps per power of two, so that a value of any size is kept
// with a relative error below 0.4 % in 34 KiB. Recording one costs a few instructions and one cache
// line.
//
// The caller chooses the unit (the load generator records TSC cycles and converts them in reports).
// The range is 0 .. 2^40; larger values count in the last step, and max() stays exact.
//
// Threads: one writer. Merge the histograms of several threads after they are done.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace salut::load {

class Histogram {
 public:
  void record(std::uint64_t value) {
    ++counts_[index(value)];
    ++count_;
    max_ = std::max(max_, value);
  }

  void merge(const Histogram& other);

  // The steps that are not empty, "130:4 131:17": number of the step and count. The first 256 steps
  // hold one value each; above there are 128 to a power of two. The text does not contain max().
  std::string to_text() const;
  // Nothing unless the text is that of a histogram whose largest value is `max`.
  static std::optional<Histogram> from_text(std::string_view text, std::uint64_t max);
  bool operator==(const Histogram&) const = default;
  void clear() { *this = Histogram{}; }

  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }

  // The middle of the smallest step that `percent` (0..100) of the values do not exceed; 0 if
  // nothing was recorded.
  double percentile(double percent) const;

  // Calls visit(middle of the step, count) for each step that is not empty, the smallest first.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (std::size_t i = 0; i < size; ++i) {
      if (counts_[i] != 0) visit(middle(i), counts_[i]);
    }
  }

 private:
  static constexpr unsigned step_bits = 7;
  static constexpr std::uint64_t steps = 1u << step_bits;
  static constexpr unsigned value_bits = 40;
  static constexpr std::uint64_t value_max = (std::uint64_t{1} << value_bits) - 1;

  // Below 2^(step_bits + 1) the index is the value itself. Above, the top eight bits of the value
  // are the step in its power of two.
  static constexpr std::size_t index(std::uint64_t value) {
    value = std::min(value, value_max);
    const unsigned shift = static_cast<unsigned>(std::bit_width(value | steps)) - 1 - step_bits;
    return static_cast<std::size_t>(shift * steps + (value >> shift));
  }
  static double middle(std::size_t index);

  static constexpr std::size_t size = (value_bits - step_bits) * steps + steps;

  std::array<std::uint64_t, size> counts_ = {};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace salut::load
