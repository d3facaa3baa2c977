// A port of DPDK: a TAP, a virtual device or a network card. Every worker that polls it has a
// receive and a transmit queue of its own, if the device has so many.
//
// It enables only offloads that the device reports, each by itself.
//
// A port survives its peer. Some drivers of DPDK reconnect by themselves (servers, vhost clients).
// For the others (clients of memif and of virtio-user's sockets) revive() closes the device and
// makes it again while its queues rest; frames that it held come back to the pool.
//
// Threads: control thread; its queues (eth_queue.hpp) belong to one lcore each.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/dpdk/eth_queue.hpp"
#include "io/dpdk/mempool.hpp"
#include "io/dpdk/offloads.hpp"
#include "io/dpdk/rss.hpp"
#include "io/vdev.hpp"
#include "salut/config.hpp"
#include "salut/error.hpp"
#include "wire/headers.hpp"

struct rte_eth_conf;
struct rte_eth_dev_info;

namespace salut::io {

struct EthPortOptions {
  std::size_t index = 0;    // the port's place in the configuration
  unsigned workers = 1;     // how many workers poll it
  Mac own_mac;              // used if neither the device nor the configuration has a MAC
  std::uint64_t seed = 0;   // for the RSS key
  bool interrupts = false;  // wanted: its workers sleep
};

class EthPort {
 public:
  // Errors start with the key: `interface = "…": …`.
  static Result<std::unique_ptr<EthPort>> open(const PortConfig& config,
                                               const EthPortOptions& options, MbufPool& pool);
  ~EthPort();
  EthPort(const EthPort&) = delete;

  // At least one, at most one per worker.
  unsigned queues() const { return static_cast<unsigned>(queues_.size()); }
  EthQueue& queue(unsigned nth) { return *queues_[nth]; }
  // With more than one worker: what the device says about RSS.
  const Rss& rss() const { return rss_; }

  // The stack's address on this port. A TAP's kernel side has one of its own.
  const Mac& mac() const { return mac_; }
  // The link state of the port, and of each member of a bond: "bond", "bond (net_virtio_user0)".
  struct Link {
    std::string name;
    bool up;
  };
  std::vector<Link> links(const std::string& port) const;
  // Makes the device again if its peer was gone and may be back. Call it about once a second.
  void revive();
  // May frames leave with FrameFlag::l4_checksum_left?
  bool completes_checksums() const { return offloads_.completes_checksums(); }
  // "net_tap salut0, 02:…, MTU 1500, checksums verified by the device: IPv4 TCP, link up"
  std::string describe() const;

 private:
  EthPort(const PortConfig& config, const EthPortOptions& options, MbufPool& pool)
      : config_(config), options_(options), pool_(pool) {
    // Nothing else has any: vdevs that share memory or sit on an interface of the kernel.
    interrupts_ =
        options.interrupts && (config.type == PortType::tap || config.type == PortType::pci);
  }
  bool rest();
  void remove_device();
  Result<void> create_members(const PortConfig& config);
  Result<void> create(const PortConfig& config);
  Result<void> set_up(const PortConfig& config);
  Result<void> configure(const PortConfig& config, const rte_eth_dev_info& info);
  int configure_queues(const PortConfig& config, const rte_eth_dev_info& info, unsigned queues);
  Result<void> set_up_queues(const PortConfig& config);
  Result<void> take_address(const PortConfig& config);
  Result<void> take_multicast(const PortConfig& config);
  void ask_for_rss(const PortConfig& config, unsigned queues, const rte_eth_dev_info& info,
                   rte_eth_conf& conf);
  unsigned queues_of(const PortConfig& config, const rte_eth_dev_info& info) const;

  PortConfig config_;
  EthPortOptions options_;
  MbufPool& pool_;
  std::uint16_t id_ = 0;
  std::vector<std::unique_ptr<EthQueue>> queues_;
  Rss rss_;
  bool opened_ = false;  // workers have its queues
  bool created_ = false;
  bool started_ = false;
  bool resting_ = false;  // its queues are paused, and no lcore uses them
  bool promiscuous_ = false;
  bool interrupts_ = false;  // the device was asked for them, and has not refused
  Mac mac_;
  std::uint16_t mtu_ = 1'500;
  std::uint16_t rx_descriptors_ = 1'024;
  std::uint16_t tx_descriptors_ = 1'024;
  Offloads offloads_;
  std::string device_name_;  // DPDK's
  Vdev vdev_;
  std::vector<Vdev> members_;  // of a bond; made before it
};

}  // namespace salut::io
