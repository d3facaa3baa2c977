// The set-up of a benchmark, and what all scenarios share to make it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "load/options.hpp"
#include "salut/config.hpp"

namespace salut::load {

// A configuration, the targets, and which workers are client and server.
struct BenchSetup {
  Config config;
  Targets target;
  std::vector<std::uint32_t> clients;
  std::vector<std::uint32_t> servers;
  std::vector<std::string> notes;
};

// The port that has this address, as its own or in a range; nullptr if none has.
const PortConfig* port_with(const Config& config, IpAddress address);

// Every worker that does not serve; the servers themselves if there is no other.
std::vector<std::uint32_t> client_workers(const Config& config,
                                          const std::vector<std::uint32_t>& servers);

// Adds --local to the ranges of the clients' ports, unless a port has its first address already.
void add_local_range(const BenchOptions& options, BenchSetup& setup);

}  // namespace salut::load
