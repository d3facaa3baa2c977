// How much memory the stacks of a configuration take. No formula computes it: an engine is
// constructed over a Memory that only counts (host/counting_memory.hpp), so that the figure is the
// engine's own and stays true when an array is added or grows.
//
// Thread safety: no shared state. Cost: some hundred microseconds for each worker whose ports
// differ from those of all earlier ones.
#pragma once

#include <cstdint>

#include "ip/interfaces.hpp"
#include "salut/config.hpp"
#include "salut/counters.hpp"
#include "salut/error.hpp"

namespace salut {

// The interface of a port as the configuration describes it. Ports::interfaces() adds the device,
// its MAC, and steering.
ip::Interface configured_interface(const Config& config, const PortConfig& port);

// The bytes of the arrays of all workers, without packet buffers. An Error if the process cannot
// even get the address space for one of them.
Result<MemoryUse> stacks_memory(const Config& config);

}  // namespace salut
