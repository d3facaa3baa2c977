// The machine that a figure was measured on, and what memory it has to give.
#pragma once

#include <cstdint>
#include <string>

namespace salut::ops {

struct Machine {
  std::string cpu;     // model name
  unsigned cores = 0;  // that this process may run on
  std::string kernel;  // "Linux 6.1.0-18-amd64"
};

Machine this_machine();

// Bytes that may be taken without swapping: the kernel's estimate, or what is left of the control
// group's limit if that is less.
std::uint64_t available_memory();

}  // namespace salut::ops
