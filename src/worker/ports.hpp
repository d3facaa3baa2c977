// The ports of a configuration, opened: embedded wires and devices of DPDK, in the file's order,
// each with the layers between it and its workers: an impaired link, and steering if several share
// it.
//
// Threads: control thread.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "io/dpdk/eth_port.hpp"
#include "io/dpdk/mempool.hpp"
#include "io/impaired_port.hpp"
#include "io/loop_port.hpp"
#include "io/reflector.hpp"
#include "io/steered_port.hpp"
#include "salut/config.hpp"
#include "salut/runtime.hpp"
#include "stack/engine.hpp"

namespace salut {

class Ports {
 public:
  // `seed`: of the key that steers flows to workers.
  Ports(io::MbufPool& pool, std::uint64_t seed) : pool_(pool), seed_(seed) {}
  ~Ports();
  Ports(const Ports&) = delete;

  // Opens all of them and writes the MACs into `config`. Errors start with the key: `port[0].…`.
  Result<void> open(Config& config);

  // What the engine of `worker` sees.
  std::vector<ip::Interface> interfaces(const Config& config, std::uint32_t worker) const;
  // The worker's ends of ports that others poll too, for their counters.
  std::vector<const io::SteeredPort*> steered(const Config& config, std::uint32_t worker) const;
  std::string describe(const Config& config) const;
  std::vector<PortImpaired> impaired(const Config& config) const;
  // Looks at the link of each port that has one, and counts what changed.
  std::vector<PortLink> links(const Config& config);
  // Of `worker`'s interfaces, a bit each: those of ports whose link came up since the last
  // forget(), which at the start are all devices.
  std::uint32_t risen(const Config& config, std::uint32_t worker) const;
  void forget_risen();
  std::vector<PortSteering> steering(const Config& config) const;

 private:
  struct Port {
    std::vector<std::unique_ptr<io::LoopPort>> loops;  // one of the three
    std::vector<std::unique_ptr<io::Reflector>> reflectors;
    std::unique_ptr<io::EthPort> eth;
    std::vector<std::unique_ptr<io::ImpairedPort>> impaired;  // before each queue, if so configured
    std::unique_ptr<io::SteeredPorts> steered;                // if several workers share it
    Mac mac;
    bool risen = false;
    std::vector<PortLink> links;  // as last seen: its own, and then its members'

    unsigned queues() const {
      return eth != nullptr ? eth->queues()
                            : static_cast<unsigned>(std::max(loops.size(), reflectors.size()));
    }
    Device* plain(unsigned queue) const {
      if (eth != nullptr) return &eth->queue(queue);
      if (!reflectors.empty()) return reflectors[queue].get();
      return loops[queue].get();
    }
    Device* queue(unsigned nth) const {
      return impaired.empty() ? plain(nth) : impaired[nth].get();
    }
    // The device that the nth worker of the port polls.
    Device* device(unsigned nth) const {
      return steered != nullptr ? static_cast<Device*>(&steered->port(nth)) : queue(nth);
    }
    // An impaired link corrupts frames on their way out: they need their checksums before that.
    bool completes_checksums() const {
      return eth != nullptr && impaired.empty() && eth->completes_checksums();
    }
  };

  void impair(const Config& config);
  void open_reflectors(const PortConfig& config, Port& port);
  void open_loops(const Config& config);
  void steer(const Config& config);

  io::MbufPool& pool_;
  std::uint64_t seed_;
  std::vector<Port> ports_;
};

}  // namespace salut
