// The engine of each stack of this process: how a Connection, which is no pointer, finds its own.
#pragma once

#include <array>

#include "stack/engine.hpp"

namespace salut {

inline constexpr unsigned max_stacks = 64;  // what six bits of a Connection tell apart

// Written while a stack is made or destroyed, on the control thread, when no worker runs.
inline constinit std::array<stack::Engine*, max_stacks> engines = {};

}  // namespace salut
