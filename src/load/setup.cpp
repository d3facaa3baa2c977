#include "load/setup.hpp"

#include <algorithm>

namespace salut::load {

const PortConfig* port_with(const Config& config, IpAddress address) {
  for (const PortConfig& port : config.ports) {
    const bool own = std::ranges::any_of(
        port.addresses, [&](const Prefix& prefix) { return prefix.address == address; });
    const bool ranged = std::ranges::any_of(
        port.ranges, [&](const AddressRange& range) { return range.contains(address); });
    if (own || ranged) return &port;
  }
  return nullptr;
}

std::vector<std::uint32_t> client_workers(const Config& config,
                                          const std::vector<std::uint32_t>& servers) {
  std::vector<std::uint32_t> clients;
  for (std::uint32_t w = 0; w < config.workers; ++w) {
    if (std::ranges::count(servers, w) == 0) clients.push_back(w);
  }
  return clients.empty() ? servers : clients;
}

void add_local_range(const BenchOptions& options, BenchSetup& setup) {
  if (!options.local) return;
  for (PortConfig& port : setup.config.ports) {
    const auto serves = [&](std::uint32_t client) { return port.on_worker(client); };
    if (std::ranges::none_of(setup.clients, serves)) continue;
    if (port_with(setup.config, options.local->first) == nullptr) {
      port.ranges.push_back(*options.local);
    }
  }
}

}  // namespace salut::load
