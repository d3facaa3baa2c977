// What a TAP needs of the kernel, asked before DPDK does, since the kernel says why not.
#pragma once

#include <string>

#include "salut/error.hpp"

namespace salut::io {

// Whether this process may make a TAP of that name now. Errors start with the port's key.
Result<void> check_tap(const std::string& interface);

}  // namespace salut::io
