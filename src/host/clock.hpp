// Instants from the TSC: nanoseconds since an origin that all workers of a process share.
//
// The TSC of every CPU that we run on is constant and in step between cores. A product of 128 bits
// neither overflows nor drifts: the rate is kept as nanoseconds per cycle times 2^64, whose error
// is under one nanosecond in a century.
//
// Thread safety: immutable. Cost: rdtsc, one multiplication.
#pragma once

#include <cstdint>

#include "host/tsc.hpp"
#include "salut/time.hpp"

namespace salut {

class Clock {
 public:
  // REQUIRES: hz above 1 GHz / 2^10, as any TSC is.
  Clock(std::uint64_t hz, std::uint64_t origin)
      : origin_(origin),
        whole_(1'000'000'000 / hz),
        fraction_(static_cast<std::uint64_t>((Wide{1'000'000'000 % hz} << 64) / hz)) {}

  Instant at(std::uint64_t tsc) const {
    const std::uint64_t cycles = tsc - origin_;
    const auto part = static_cast<std::uint64_t>((Wide{cycles} * fraction_) >> 64);
    return Instant(Duration(static_cast<std::int64_t>(cycles * whole_ + part)));
  }

 private:
  __extension__ using Wide = unsigned __int128;

  std::uint64_t origin_;
  std::uint64_t whole_;     // nanoseconds per cycle: 0 above 1 GHz
  std::uint64_t fraction_;  // the rest, times 2^64
};

// The TSC and the system's clock at one moment; two of these measure the TSC's rate.
struct TscSample {
  std::uint64_t tsc = 0;
  std::int64_t ns = 0;

  static TscSample take();
};

// Cycles per second between two samples, or `rounded` (what DPDK says, which on most virtual
// machines is to the nearest 10 MHz) if they are too close to say better.
std::uint64_t tsc_rate(const TscSample& begin, const TscSample& end, std::uint64_t rounded);

}  // namespace salut
