// `salut bench --reflect` (or --mirror, the older name): a stack whose frames come back to it.
//
// Every frame comes back with MACs, addresses and ports swapped, so that both ends open a
// connection at once and close it at once: SYN_SENT, SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1,
// CLOSING, TIME_WAIT. The station that the stack connects to does not exist, so no station answers
// ARP for it: its MAC must be a [[neighbour]] of the configuration.
#pragma once

#include "load/setup.hpp"

namespace salut::load {

// Without a configuration: a port of type "mirror" with a worker on each of --cores (one if none).
Result<BenchSetup> reflect_setup(const BenchOptions& options);

}  // namespace salut::load
