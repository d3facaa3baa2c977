// `salut bench --mirror`: one stack that meets itself in a mirror.
//
// Whatever it sends comes back with MACs, addresses and ports swapped, so that every connection is
// opened by both ends at once and closed by both ends at once: SYN_SENT, SYN_RECEIVED, ESTABLISHED,
// FIN_WAIT_1, CLOSING, TIME_WAIT. The station that it connects to does not exist, hence nobody
// answers for it: its MAC is a [[neighbour]] of the configuration.
#pragma once

#include "load/scenario.hpp"

namespace salut::load {

// Without a configuration: a port of type "mirror" with a worker on each of --cores (one if none).
Result<BenchSetup> reflect_setup(const BenchOptions& options);

}  // namespace salut::load
