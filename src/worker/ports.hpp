// The open ports of a configuration, in its order: embedded wires and devices of DPDK. Between a
// device and its workers may be two layers: an impaired link, and steering if several workers share
// the port.
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
  // `seed`: for the key that steers flows to workers.
  Ports(io::MbufPool& pool, std::uint64_t seed) : pool_(pool), seed_(seed) {}
  ~Ports();
  Ports(const Ports&) = delete;

  // Opens all ports and writes their MACs into `config`. Errors start with the key: `port[0].…`.
  Result<void> open(Config& config);

  // The interfaces of `worker`'s engine: one for each port that it polls.
  std::vector<ip::Interface> interfaces(const Config& config, std::uint32_t worker) const;
  // The worker's part of each port that it shares with others, for its counters.
  std::vector<const io::SteeredPort*> steered(const Config& config, std::uint32_t worker) const;
  // What wakes `worker` when a frame comes to any of its ports; empty if one of them has nothing
  // that does: a wire in memory, a bad link that holds frames, a port that others poll too.
  std::vector<io::Interrupt*> interrupts(const Config& config, std::uint32_t worker) const;
  std::string describe(const Config& config) const;
  std::vector<PortImpaired> impaired(const Config& config) const;
  // Reads the link state of each port that has one, and counts changes. Makes a device again whose
  // peer came back.
  std::vector<PortLink> links(const Config& config);
  // A bit for each of `worker`'s interfaces: set if the port's link came up since forget_risen(),
  // or if the port is a device that was opened since.
  std::uint32_t risen(const Config& config, std::uint32_t worker) const;
  void forget_risen();
  std::vector<PortSteering> steering(const Config& config) const;

 private:
  struct Port {
    std::vector<std::unique_ptr<io::LoopPort>> loops;  // a port has loops, reflectors or eth
    std::vector<std::unique_ptr<io::Reflector>> reflectors;
    std::unique_ptr<io::EthPort> eth;
    std::vector<std::unique_ptr<io::ImpairedPort>> impaired;  // around each queue, if configured
    std::unique_ptr<io::SteeredPorts> steered;                // if several workers share it
    Mac mac;
    bool risen = false;
    bool said_lying = false;      // that its device claims RSS and does not do it
    std::vector<PortLink> links;  // as last read: the port's, then its members'

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
    // An impaired link corrupts frames before the device sees them, so that the stack must have
    // filled in the checksum.
    bool completes_checksums() const {
      return eth != nullptr && impaired.empty() && eth->completes_checksums();
    }
  };

  static void say_if_lying(const PortConfig& config, Port& port);
  void impair(const Config& config);
  void open_reflectors(const PortConfig& config, Port& port);
  void open_loops(const Config& config);
  void steer(const Config& config);

  io::MbufPool& pool_;
  std::uint64_t seed_;
  std::vector<Port> ports_;
};

}  // namespace salut
