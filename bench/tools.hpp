// What every bench has, with or without DPDK: flags, a clock, the worst step of a run.
#pragma once

#include <time.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

namespace salut::bench {

// Time that this thread had a processor: what other programs took is not counted.
class Stopwatch {
 public:
  double ns() const { return now(CLOCK_THREAD_CPUTIME_ID) - start_; }
  static double now(clockid_t clock) {
    timespec t = {};
    clock_gettime(clock, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
  }

 private:
  double start_ = now(CLOCK_THREAD_CPUTIME_ID);
};

// Nanoseconds of a cycle of the time stamp counter, measured once.
inline double cycle_ns() {
  static const double value = [] {
    const double t0 = Stopwatch::now(CLOCK_MONOTONIC);
    const std::uint64_t c0 = __rdtsc();
    double t1 = t0;
    while (t1 - t0 < 2e7) t1 = Stopwatch::now(CLOCK_MONOTONIC);
    return (t1 - t0) / static_cast<double>(__rdtsc() - c0);
  }();
  return value;
}

// The worst of many steps on a machine that is shared. The same steps are taken in several rounds
// and each counts with its best: an interruption hits a step once, the step's own work every time.
class Steps {
 public:
  void new_round() { at_ = 0; }
  template <class F>
  void time(F&& step) {
    const std::uint64_t begin = __rdtsc();
    step();
    const std::uint64_t cycles = __rdtsc() - begin;
    const auto capped = static_cast<std::uint32_t>(std::min<std::uint64_t>(cycles, never));
    if (at_ == best_.size()) best_.push_back(never);
    best_[at_] = std::min(best_[at_], capped);
    ++at_;
  }
  double worst_ns() const {
    std::uint32_t worst = 0;
    for (const std::uint32_t cycles : best_) worst = std::max(worst, cycles);
    return worst * cycle_ns();
  }
  std::size_t count() const { return best_.size(); }

 private:
  static constexpr std::uint32_t never = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> best_;
  std::size_t at_ = 0;
};

// --name=value, taken out of argv so that nobody else sees it.
inline std::string text_flag(int& argc, char** argv, const std::string& name,
                             std::string value = {}) {
  const std::string prefix = "--" + name + "=";
  const auto end = std::remove_if(argv + 1, argv + argc, [&](const char* arg) {
    if (std::string(arg).rfind(prefix, 0) != 0) return false;
    value = arg + prefix.size();
    return true;
  });
  argc = static_cast<int>(end - argv);
  return value;
}
inline std::uint64_t flag(int& argc, char** argv, const std::string& name, std::uint64_t value) {
  return std::strtoull(text_flag(argc, argv, name, std::to_string(value)).c_str(), nullptr, 0);
}

// 1,000,000: "1 M".
inline std::string in_words(std::uint64_t n) {
  if (n >= 1'000'000 && n % 1'000'000 == 0) return std::to_string(n / 1'000'000) + " M";
  if (n >= 1'000 && n % 1'000 == 0) return std::to_string(n / 1'000) + " k";
  return std::to_string(n);
}

}  // namespace salut::bench
