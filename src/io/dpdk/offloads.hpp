// What a port leaves to its device, decided once from what the device lists, bit by bit: virtio,
// for one, verifies TCP's checksums and not IPv4's, and refuses a wish for both.
//
// Whatever is not there, software does: checksums in src/wire, segments in src/tcp, flows over
// workers in io/steered_port.hpp. So a missing bit costs cycles and changes nothing else.
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
