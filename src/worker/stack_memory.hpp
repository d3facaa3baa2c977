// How much memory the stacks of a configuration take. Nobody computes it: an engine is constructed
// over a Memory that only counts (host/counting_memory.hpp), so that the figure is the engine's own
// and stays true when an array is added or grows.
//
// Thread safety: none of it is shared. Cost: some hundred microseconds for each worker whose ports
// are not those of an earlier one.
#pragma once

#include <cstdint>

#include "ip/interfaces.hpp"
#include "salut/config.hpp"
#include "salut/counters.hpp"
#include "salut/error.hpp"

namespace salut {

// What a configuration says of a port that a worker polls. Ports::interfaces() adds the device and
// what the device is.
ip::Interface configured_interface(const Config& config, const PortConfig& port);

// The arrays of all workers; packet buffers are not among them. An Error if not even address space
// is there for one of them.
Result<MemoryUse> stacks_memory(const Config& config);

}  // namespace salut
