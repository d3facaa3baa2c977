#include "worker/stack_memory.hpp"

#include <fmt/format.h>

#include <exception>
#include <map>
#include <memory>
#include <vector>

#include "host/counting_memory.hpp"
#include "stack/engine.hpp"

namespace salut {
namespace {

// An engine that never polls needs no frames.
class NoFrames final : public FramePool {
 public:
  bool acquire(Frame*, unsigned) override { return false; }
  void release(const Frame*, unsigned) override {}
};

using PortsOfWorker = std::vector<const PortConfig*>;

MemoryUse engine_memory(const Config& config, const PortsOfWorker& ports) {
  std::vector<ip::Interface> interfaces;
  for (const PortConfig* port : ports) interfaces.push_back(configured_interface(config, *port));
  CountingMemory memory;
  NoFrames frames;
  const auto engine = std::make_unique<stack::Engine>(config.stack, std::move(interfaces), frames,
                                                      memory, 1, std::uint8_t{0}, Instant{});
  return memory.in_use();
}

}  // namespace

ip::Interface configured_interface(const Config& config, const PortConfig& port) {
  ip::Interface interface;
  interface.mtu = port.mtu;
  interface.vlan = port.vlan;
  interface.addresses = port.addresses;
  interface.ranges = port.ranges;
  interface.gateway = port.gateway;
  interface.gateway6 = port.gateway6;
  interface.siblings = port.siblings;
  for (const RouteConfig& route : config.routes) {
    if (route.port == port.name) interface.routes.push_back({route.to, route.via});
  }
  for (const NeighbourConfig& given : config.neighbours) {
    const auto mac = Mac::parse(given.mac);
    if (given.port == port.name && mac) interface.neighbours.push_back({given.address, *mac});
  }
  return interface;
}

Result<MemoryUse> stacks_memory(const Config& config) {
  std::map<PortsOfWorker, MemoryUse> known;
  MemoryUse sum;
  for (std::uint32_t worker = 0; worker < config.workers; ++worker) {
    PortsOfWorker ports;
    for (const PortConfig& port : config.ports) {
      if (port.on_worker(worker)) ports.push_back(&port);
    }
    auto found = known.find(ports);
    if (found == known.end()) {
      try {
        found = known.emplace(ports, engine_memory(config, ports)).first;
      } catch (const std::exception& why) {
        return fail(Errc::no_memory,
                    fmt::format("stack.connections = {}, stack.time_wait = {}, "
                                "stack.buffer_blocks = {}: no address space for the arrays ({}); "
                                "want smaller values",
                                config.stack.connections, config.stack.time_wait,
                                config.stack.buffer_blocks, why.what()));
      }
    }
    sum += found->second;
  }
  return sum;
}

}  // namespace salut
