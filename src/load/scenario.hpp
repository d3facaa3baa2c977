// Makes a configuration from options, and decides which worker is client and which is server.
#pragma once

#include <cstdint>

#include "load/setup.hpp"

namespace salut::load {

// Without --connect and --config: two loop ports joined to each other, with a worker each for
// client and server; on a single core one worker, whose port is joined to itself and whose stack is
// both.
// --connect without --config: one TAP. With --config: if --connect names an address of ours, the
// workers of its port serve it; without --connect the last port's first address is served.
// `available_memory`: bytes.
Result<BenchSetup> bench_setup(const BenchOptions& options, unsigned usable_cores,
                               std::uint64_t available_memory);

}  // namespace salut::load
