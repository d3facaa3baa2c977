// A frame on its way out as the mbuf that it lies in, with what is left to the device.
#pragma once

#include <rte_mbuf.h>

#include "salut/frame.hpp"
#include "wire/emit.hpp"

namespace salut::io {

// What the frame leaves to the device: the rest of the TCP checksum.
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
