// One receive and one transmit queue of a port of DPDK: the way of the packets.
//
// Every frame that receive() hands out is one segment of the process's own pool, unshared: what is
// not is copied, or cut and flagged `scattered`. So everybody behind it may overwrite, send or free
// a frame without a look at its mbuf.
//
// Threads: one lcore. Cost: one rx or tx burst, and per frame one line of the mbuf.
#pragma once

#include <cstdint>

#include "io/dpdk/large_segments.hpp"
#include "io/dpdk/mempool.hpp"
#include "stack/device.hpp"

struct rte_mbuf;

namespace salut::io {

class EthQueue final : public Device {
 public:
  EthQueue(MbufPool& pool, std::uint16_t port, std::uint16_t queue, const LargeSegmentLimits& large)
      : pool_(pool), port_(port), queue_(queue), large_(large) {}

  unsigned receive(Frame* frames, unsigned count) override;
  unsigned transmit(const Frame* frames, unsigned count) override;

 private:
  bool make_ordinary(rte_mbuf*& mbuf, Frame& frame);
  unsigned transmit_large(const Frame* frames, unsigned count);
  bool prepare(LargeSegments& large, unsigned packets);

  MbufPool& pool_;
  std::uint16_t port_;  // DPDK's number
  std::uint16_t queue_;
  LargeSegmentLimits large_;
};

}  // namespace salut::io
