// The machine that a figure was measured on.
#pragma once

#include <string>

namespace salut {

struct Machine {
  std::string cpu;     // model name
  unsigned cores = 0;  // that this process may run on
  std::string kernel;  // "Linux 6.1.0-18-amd64"
};

Machine this_machine();

}  // namespace salut
