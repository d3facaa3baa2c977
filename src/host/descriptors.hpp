// Whether the process may open as many files as an instance needs.
//
// DPDK ends the process (rte_panic) where it gets no descriptor for its timers and interrupts, and
// a device without one fails in words that say nothing of it. So this is checked first.
//
// Threads: control thread, before anything is opened.
#pragma once

#include "salut/config.hpp"
#include "salut/error.hpp"

namespace salut {

// Raises the soft limit to the hard one where it is too low. Of a completed configuration.
Result<void> check_descriptors(const Config& config);

}  // namespace salut
