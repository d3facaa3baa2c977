// The search for the highest rate that holds: it doubles the rate until one fails, then halves the
// gap between the rates that held and that failed until it is small.
//
// A rate fails only if it fails twice in a row: else one hiccup of the machine in a window of a
// second would hide all higher rates.
#pragma once

#include <algorithm>
#include <cmath>

namespace salut::load {

class MaxSearch {
 public:
  explicit MaxSearch(double start = 10'000, double gap = 0.02) : gap_(gap), rate_(start) {}

  bool done() const { return rate_ < 1 || (high_ > 0 && low_ > 0 && high_ <= low_ * (1 + gap_)); }
  double rate() const { return rate_; }  // to try next
  double best() const { return low_; }   // the highest that held; 0: none yet

  void result(bool held) {
    if (held) {
      low_ = std::max(low_, rate_);
    } else if (!doubted_) {
      doubted_ = true;
      return;  // the same rate again
    } else {
      high_ = rate_;
    }
    doubted_ = false;
    if (high_ == 0) {
      rate_ = low_ * 2;
    } else if (low_ == 0) {
      rate_ = high_ / 2;
    } else {
      rate_ = std::sqrt(low_ * high_);
    }
  }

 private:
  double gap_;
  double rate_;
  double low_ = 0;
  double high_ = 0;  // 0: nothing has failed yet
  bool doubted_ = false;
};

}  // namespace salut::load
