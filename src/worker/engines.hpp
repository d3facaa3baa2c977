// The engines of this process by stack number: a Connection is no pointer and finds its engine
// here.
#pragma once

#include <array>

#include "stack/engine.hpp"

namespace salut {

inline constexpr unsigned max_stacks = 64;  // a Connection has six bits for it

// Written while a stack is made or destroyed, on the control thread, when no worker runs.
inline constinit std::array<stack::Engine*, max_stacks> engines = {};

}  // namespace salut
