// The ports of a configuration, opened: embedded wires and devices of DPDK, in the file's order.
//
// Threads: control thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/dpdk/eth_port.hpp"
#include "io/dpdk/impaired_port.hpp"
#include "io/dpdk/loop_port.hpp"
#include "io/dpdk/mempool.hpp"
#include "io/dpdk/mirror_port.hpp"
#include "salut/config.hpp"
#include "salut/runtime.hpp"
#include "stack/engine.hpp"

namespace salut {

class Ports {
 public:
  explicit Ports(io::MbufPool& pool) : pool_(pool) {}
  ~Ports();
  Ports(const Ports&) = delete;

  // Opens all of them and writes the MACs into `config`. Errors start with the key: `port[0].…`.
  Result<void> open(Config& config);

  // What the engine of `worker` sees.
  std::vector<stack::Interface> interfaces(const Config& config, std::uint32_t worker) const;
  std::string describe(const Config& config) const;
  std::vector<PortImpaired> impaired(const Config& config) const;
  // Looks at the link of each port that has one, and counts what changed.
  std::vector<PortLink> links(const Config& config);

 private:
  struct Port {
    std::unique_ptr<io::LoopPort> loop;  // one of the three
    std::unique_ptr<io::MirrorPort> mirror;
    std::unique_ptr<io::EthPort> eth;
    std::unique_ptr<io::ImpairedPort> impaired;  // before it, if the configuration says so
    wire::Mac mac;
    std::vector<PortLink> links;  // as last seen: its own, and then its members'
    Device* device() const { return impaired != nullptr ? impaired.get() : plain(); }
    // What is made bad on the way must have its checksum before that.
    bool completes_checksums() const {
      return eth != nullptr && impaired == nullptr && eth->completes_checksums();
    }
    Device* plain() const {
      if (loop != nullptr) return loop.get();
      if (mirror != nullptr) return mirror.get();
      return eth.get();
    }
  };

  void impair(const Config& config);
  void open_loops(const Config& config);

  io::MbufPool& pool_;
  std::vector<Port> ports_;
};

}  // namespace salut
