#include "io/dpdk/offloads.hpp"

#include <fmt/format.h>
#include <rte_ethdev.h>

#include <algorithm>

namespace salut::io {
namespace {

struct Named {
  std::uint64_t bit;
  const char* name;
};
constexpr Named rx_wanted[] = {{RTE_ETH_RX_OFFLOAD_IPV4_CKSUM, "IPv4"},
                               {RTE_ETH_RX_OFFLOAD_TCP_CKSUM, "TCP"}};

constexpr std::uint64_t checksum = RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
// TSO needs a device that also completes checksums and takes a packet in several buffers.
constexpr std::uint64_t cutting =
    checksum | RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

}  // namespace

Offloads Offloads::choose(const PortConfig& config, const rte_eth_dev_info& info) {
  Offloads chosen;
  for (const Named& offload : rx_wanted) chosen.rx |= info.rx_offload_capa & offload.bit;

  // Behind a vdev may be another program, which may pass the frame on without our request for a
  // checksum.
  if (config.type != PortType::vdev) chosen.tx |= info.tx_offload_capa & checksum;
  // TSO on cards only: a TAP's driver would do it in software, with copies.
  const bool cuts =
      config.type == PortType::pci && config.tso && (info.tx_offload_capa & cutting) == cutting;
  if (!cuts) {
    chosen.tx |= info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
    return chosen;
  }
  // Not with FAST_FREE: a chain's buffers need a look when they come back.
  chosen.tx |= cutting | (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM);
  const unsigned most = info.tx_desc_lim.nb_seg_max;
  chosen.large.frames =
      most == 0 ? LargeSegments::frames_max : std::min<unsigned>(most, LargeSegments::frames_max);
  chosen.large.completes_ip4 = (chosen.tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
  return chosen;
}

bool Offloads::completes_checksums() const { return (tx & checksum) != 0; }

std::string Offloads::describe() const {
  std::string text = "checksums verified by the device:";
  for (const Named& offload : rx_wanted) {
    if ((rx & offload.bit) != 0) text += fmt::format(" {}", offload.name);
  }
  if (rx == 0) text += " none";
  if (completes_checksums()) text += ", completed: TCP";
  if (large.frames > 1) text += ", TSO";
  return text;
}

}  // namespace salut::io
