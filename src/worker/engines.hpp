// The engines of this process by stack number: a Connection is no pointer and finds its engine
// here.
#pragma once

#include <array>
#include <atomic>
#include <thread>

#include "stack/engine.hpp"

namespace salut {

inline constexpr unsigned max_stacks = 1u << (32 - Connection::slot_bits);

// Written while a stack is made or destroyed, on the control thread, when no worker runs.
inline constinit std::array<stack::Engine*, max_stacks> engines = {};

#ifndef NDEBUG
// The thread on which the application of each stack runs; none: it does not run. Only debug builds
// ask.
inline std::array<std::atomic<std::thread::id>, max_stacks> owners;
inline bool is_here(std::uint32_t stack) {
  const std::thread::id owner = owners[stack].load();
  return owner == std::thread::id{} || owner == std::this_thread::get_id();
}
#endif

}  // namespace salut
