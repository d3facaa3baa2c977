// NewReno's arithmetic, RFC 5681 §3.1: half after a loss, a segment more per window after that.
#pragma once

#include <algorithm>
#include <cstdint>

namespace salut::tcp {

// One segment for each whole window acknowledged (RFC 3465 §2.1), however many ACKs it took.
inline std::uint32_t newreno_grow(std::uint32_t& credit, std::uint32_t cwnd, std::uint32_t acked,
                                  std::uint32_t mss) {
  credit += acked;
  if (credit < cwnd) return cwnd;
  credit -= cwnd;
  return cwnd + mss;
}

// RFC 5681 (4)
inline std::uint32_t newreno_decrease(std::uint32_t& credit, std::uint32_t flight,
                                      std::uint32_t mss) {
  credit = 0;
  return std::max(flight / 2, 2 * mss);
}

}  // namespace salut::tcp
