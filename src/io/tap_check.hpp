// The kernel's side of a TAP. We try to make the TAP before DPDK does, because the kernel tells us
// why it cannot be made, and DPDK does not.
//
// Threads: control thread.
#pragma once

#include <cstdint>
#include <string>

#include "salut/error.hpp"

namespace salut::io {

// An Error, which starts with the port's key, if this process cannot make a TAP of that name now.
Result<void> check_tap(const std::string& interface);

// Sets how many frames the kernel queues for us until we take them (txqueuelen). False: it failed,
// and the kernel's default of 1,000 stays.
bool set_tap_queue(const std::string& interface, std::uint32_t frames);
// How many frames for us the kernel has dropped since the TAP was made; 0 if it does not say.
std::uint64_t tap_dropped(const std::string& interface);

}  // namespace salut::io
