// From options to a configuration, and from a configuration to which worker does what.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "load/options.hpp"
#include "salut/config.hpp"

namespace salut::load {

// What a bench needs: its configuration, and which workers are client and server.
struct BenchSetup {
  Config config;
  Targets target;
  std::vector<std::uint32_t> clients;
  std::vector<std::uint32_t> servers;
  std::vector<std::string> notes;
};

// Without --connect and --config: two loop ports joined to each other, client and server a worker
// each; where there is one core, one worker whose port is joined to itself, and both on its stack.
// --connect without --config: one TAP. With --config: if --connect names one of its own addresses,
// that address's worker serves; without --connect the last port's first address is served.
Result<BenchSetup> bench_setup(const BenchOptions& options, unsigned usable_cores,
                               std::uint64_t available_memory);

// The port that has this address, among its own or its ranges; nullptr if none has.
const PortConfig* port_with(const Config& config, IpAddress address);

// Every worker that does not serve; the servers themselves if there is no other.
std::vector<std::uint32_t> client_workers(const Config& config,
                                          const std::vector<std::uint32_t>& servers);

// Adds --local to the ranges of the clients' ports.
void add_local_range(const BenchOptions& options, BenchSetup& setup);

}  // namespace salut::load
