// A port of DPDK: a TAP, a virtual device or a network card; one RX and one TX queue.
//
// It asks the device only for what the device says it has, one offload at a time. Every frame that
// receive() hands out is one segment of the process's own pool, unshared: what is not is copied, or
// cut and flagged `scattered`. So everybody behind it may overwrite, send or free a frame without
// a look at its mbuf.
//
// Threads: open() and the destructor on the control thread, receive() and transmit() on the
// worker's lcore. Cost: one rx or tx burst, and per frame one line of the mbuf.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/dpdk/mempool.hpp"
#include "io/dpdk/vdev.hpp"
#include "salut/config.hpp"
#include "salut/error.hpp"
#include "stack/device.hpp"
#include "wire/headers.hpp"

struct rte_mbuf;

namespace salut::io {

class EthPort final : public Device {
 public:
  // `index`: of the port in the configuration. Errors start with the key: `interface = "…": …`.
  static Result<std::unique_ptr<EthPort>> open(const PortConfig& config, std::size_t index,
                                               const wire::Mac& own_mac, MbufPool& pool);
  ~EthPort() override;
  EthPort(const EthPort&) = delete;

  unsigned receive(Frame* frames, unsigned count) override;
  unsigned transmit(const Frame* frames, unsigned count) override;

  // The stack's address on this port. A TAP's kernel side has one of its own.
  const wire::Mac& mac() const { return mac_; }
  // Of the port, and of each member of a bond: "bond", "bond (net_virtio_user0)".
  struct Link {
    std::string name;
    bool up;
  };
  std::vector<Link> links(const std::string& port) const;
  // May frames leave with FrameFlag::l4_checksum_left?
  bool completes_checksums() const;
  // "net_tap salut0, 02:…, MTU 1500, checksums verified by the device: IPv4 TCP, link up"
  std::string describe() const;

 private:
  explicit EthPort(MbufPool& pool) : pool_(pool) {}
  Result<void> create_members(const PortConfig& config);
  Result<void> create(const PortConfig& config, std::size_t index);
  Result<void> configure(const PortConfig& config);
  Result<void> set_up_queues(const PortConfig& config);
  Result<void> take_address(const PortConfig& config, const wire::Mac& own_mac);
  bool make_ordinary(rte_mbuf*& mbuf, Frame& frame);

  MbufPool& pool_;
  std::uint16_t id_ = 0;
  std::uint16_t queue_ = 0;
  bool created_ = false;
  bool promiscuous_ = false;
  wire::Mac mac_;
  std::uint16_t mtu_ = 1'500;
  std::uint16_t rx_descriptors_ = 1'024;
  std::uint16_t tx_descriptors_ = 1'024;
  std::uint64_t rx_offloads_ = 0;
  std::uint64_t tx_offloads_ = 0;
  std::string device_name_;  // DPDK's
  Vdev vdev_;
  std::vector<Vdev> members_;  // made before it
};

}  // namespace salut::io
