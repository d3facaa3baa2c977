// Turns a frame to transmit back into its mbuf, with the offloads that it asks for.
#pragma once

#include <rte_mbuf.h>

#include "salut/frame.hpp"
#include "wire/emit.hpp"

namespace salut::io {

// Asks the device to complete the TCP checksum. Returns the flags for the mbuf.
inline std::uint64_t ask_for_checksum(rte_mbuf& mbuf, const Frame& frame) {
  const wire::Layers layers = wire::layers_of(frame.data);
  mbuf.tx_offload = rte_mbuf_tx_offload(layers.l2, layers.l3, layers.l4, 0, 0, 0, 0);
  return RTE_MBUF_F_TX_TCP_CKSUM | (layers.ip6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
}

inline rte_mbuf* outgoing(const Frame& frame) {
  auto* mbuf = static_cast<rte_mbuf*>(frame.handle);
  mbuf->data_off = static_cast<std::uint16_t>(frame.data - static_cast<std::byte*>(mbuf->buf_addr));
  mbuf->data_len = frame.length;
  mbuf->pkt_len = frame.length;
  const bool left = (frame.flags & l4_checksum_left) != 0;
  mbuf->ol_flags = left ? ask_for_checksum(*mbuf, frame) : 0;
  return mbuf;
}

}  // namespace salut::io
