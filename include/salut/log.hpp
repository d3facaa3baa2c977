// What a Runtime says while it runs, for an application that wants to hear it.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace salut {

enum class LogLevel : std::uint8_t {
  error,    // something does not work
  warning,  // it works, but not as it could
  info,     // links that come and go; what DPDK and its drivers find
  debug,    // DPDK's, if it was asked for it
};

// `line` has no newline, and is gone when the call returns. Called on any thread, a worker's among
// them (a driver of DPDK speaks where it runs), but one at a time. It must not call salut, and may
// print. What is said while open() or the destructor captures the process's output (runtime.hpp)
// comes when that is over.
using Log = std::function<void(LogLevel level, std::string_view line)>;

}  // namespace salut
