// The cycle counter that LoopStats count in and Runtime::tsc_hz() is the frequency of: the TSC, or
// the virtual counter of aarch64. Constant, and in step between cores. And the instruction for a
// loop that waits.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace salut {

inline std::uint64_t read_tsc() {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  std::uint64_t value;
  asm volatile("mrs %0, cntvct_el0" : "=r"(value));
  return value;
#else
#error "no cycle counter is known for this processor"
#endif
}

// To be called in a loop that waits: it leaves the core to its other hardware thread.
inline void pause_core() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace salut
