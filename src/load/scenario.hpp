// From options to a configuration, and from a configuration to which worker does what.
#pragma once

#include <cstdint>

#include "load/setup.hpp"

namespace salut::load {

// Without --connect and --config: two loop ports joined to each other, client and server a worker
// each; where there is one core, one worker whose port is joined to itself, and both on its stack.
// --connect without --config: one TAP. With --config: if --connect names one of its own addresses,
// that address's worker serves; without --connect the last port's first address is served.
Result<BenchSetup> bench_setup(const BenchOptions& options, unsigned usable_cores,
                               std::uint64_t available_memory);

}  // namespace salut::load
