// A port of DPDK: a TAP, a virtual device or a network card, with a queue each way for every worker
// that polls it, as far as it has so many.
//
// It asks the device only for what the device says it has, one offload at a time.
//
// A peer that goes away takes no port with it. Where DPDK's driver looks for it again (servers,
// vhost clients) that is left to it; where not (clients of memif and of virtio-user's sockets), the
// device is closed and made anew while its queues rest, and frames that it held come back to the
// pool.
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
  std::size_t index = 0;   // of the port in the configuration
  unsigned workers = 1;    // that poll it
  Mac own_mac;             // where neither the device nor the configuration has one
  std::uint64_t seed = 0;  // of the RSS key
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
  // Of more than one worker: what the device says of RSS.
  const Rss& rss() const { return rss_; }

  // The stack's address on this port. A TAP's kernel side has one of its own.
  const Mac& mac() const { return mac_; }
  // Of the port, and of each member of a bond: "bond", "bond (net_virtio_user0)".
  struct Link {
    std::string name;
    bool up;
  };
  std::vector<Link> links(const std::string& port) const;
  // Makes a device anew whose peer was gone and may be back. To be called now and then.
  void revive();
  // May frames leave with FrameFlag::l4_checksum_left?
  bool completes_checksums() const { return offloads_.completes_checksums(); }
  // "net_tap salut0, 02:…, MTU 1500, checksums verified by the device: IPv4 TCP, link up"
  std::string describe() const;

 private:
  EthPort(const PortConfig& config, const EthPortOptions& options, MbufPool& pool)
      : config_(config), options_(options), pool_(pool) {}
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
  bool opened_ = false;  // its queues are in the hands of workers
  bool created_ = false;
  bool started_ = false;
  bool resting_ = false;  // its queues
  bool promiscuous_ = false;
  Mac mac_;
  std::uint16_t mtu_ = 1'500;
  std::uint16_t rx_descriptors_ = 1'024;
  std::uint16_t tx_descriptors_ = 1'024;
  Offloads offloads_;
  std::string device_name_;  // DPDK's
  Vdev vdev_;
  std::vector<Vdev> members_;  // made before it
};

}  // namespace salut::io
