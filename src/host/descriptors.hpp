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

// Takes those of 0, 1 and 2 that were closed when the process began. Else the next file that is
// opened gets the number, and what is printed goes into it: into the lock file, with status 0.
// Writing to what is opened here fails, as it does to a closed one. For main(), before all else.
void occupy_standard_descriptors();

}  // namespace salut
