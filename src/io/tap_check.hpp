// The kernel's side of a TAP, and what a TAP needs of the kernel, asked before DPDK does, since the
// kernel says why not.
#pragma once

#include <cstdint>
#include <string>

#include "salut/error.hpp"

namespace salut::io {

// An Error, which starts with the port's key, if this process cannot make a TAP of that name now.
Result<void> check_tap(const std::string& interface);

// How many frames the kernel keeps for us where we do not take them at once. False: it stays at the
// kernel's own 1,000.
bool set_tap_queue(const std::string& interface, std::uint32_t frames);
// How many it had for us and did not keep, since the TAP was made; 0 if it does not say.
std::uint64_t tap_dropped(const std::string& interface);

}  // namespace salut::io
