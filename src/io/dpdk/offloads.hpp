// The offloads of a port, chosen once from those that the device reports, bit by bit: virtio, for
// example, verifies TCP checksums but not IPv4's, and refuses a request for both.
//
// Software does the rest: checksums in src/wire, segmentation in src/tcp, steering to workers in
// io/steered_port.hpp. So a missing offload costs cycles and changes nothing else.
//
// Threads: control thread.
#pragma once

#include <cstdint>
#include <string>

#include "io/dpdk/large_segments.hpp"
#include "salut/config.hpp"

struct rte_eth_dev_info;

namespace salut::io {

struct Offloads {
  std::uint64_t rx = 0;  // DPDK's bits
  std::uint64_t tx = 0;
  LargeSegmentLimits large;

  static Offloads choose(const PortConfig& config, const rte_eth_dev_info& info);
  // May frames leave with FrameFlag::l4_checksum_left?
  bool completes_checksums() const;
  // "checksums verified by the device: IPv4 TCP, completed: TCP, TSO"
  std::string describe() const;
};

}  // namespace salut::io
