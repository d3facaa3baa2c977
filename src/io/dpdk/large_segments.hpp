// TCP segmentation offload (TSO) at the last step: a run of frames of one connection in a burst
// becomes one chain of mbufs, which the device segments into the same frames again.
//
// The core does not know about it: it emits segments of at most one MSS, each in a frame of its
// own, and a port without TSO sends them like that. A run is exactly what a device would make of
// one large segment: the same headers except for the fields that a device writes (sequence number,
// IPv4 ID, lengths, checksums), all frames of one size and only the last smaller, PSH or FIN on the
// last only. So the wire shows no difference. The bet: a sender's burst lies side by side in the
// queue. A burst that is mixed with others is sent as it is.
//
// A chain saves work of the device and the bus: the first frame's headers serve all, and those of
// the others are skipped. A frame without payload, as nearly all of opening and closing are, costs
// one look at its flags.
//
// The caller keeps the frames that the device does not take: reclaim() takes their chains apart
// again, byte for byte as they were. A driver that frees chains must look at every mbuf, which is
// the opposite of RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE: a port has one of the two.
//
//   LargeSegments burst(limits);
//   const unsigned packets = burst.build(frames, count);
//   const unsigned sent = burst.reclaim(rte_eth_tx_burst(port, queue, burst.packets(), packets));
//
// Threads: none of its own; it lives for one burst, on the stack of the lcore that sends.
#pragma once

#include <array>
#include <cstdint>

#include "salut/frame.hpp"
#include "wire/emit.hpp"

struct rte_mbuf;

namespace salut::io {

// What a device can do.
struct LargeSegmentLimits {
  unsigned frames = 0;         // the most in one chain; below two: no chain is made
  bool completes_ip4 = false;  // it writes the IPv4 header checksum; else we do
};

class LargeSegments {
 public:
  static constexpr unsigned burst = 64;
  // 23 KB with an MTU of 1,500. More gains little, and drivers take 24 to 40 buffers per packet.
  static constexpr unsigned frames_max = 16;
  // In bytes. Below it some cards refuse to segment (i40e, iavf), and there is little to gain.
  static constexpr std::size_t mss_min = 256;

  explicit LargeSegments(const LargeSegmentLimits& limits) : limits_(limits) {}

  // Makes packets of the first `count` frames, of at most `burst`; returns how many packets.
  unsigned build(const Frame* frames, unsigned count);
  rte_mbuf** packets() { return mbufs_.data(); }
  bool is_chain(unsigned packet) const { return counts_[packet] > 1; }
  // After the device took the first `taken` packets: takes the others apart. Returns how many
  // frames the device has.
  unsigned reclaim(unsigned taken);

 private:
  // Fields of the first frame's headers, before they were changed to serve the whole chain.
  struct Saved {
    std::uint16_t ip_length = 0;
    std::uint16_t ip_checksum = 0;
    std::uint16_t tcp_checksum = 0;
    std::uint8_t tcp_flags = 0;
  };
  void chain(const Frame* run, unsigned count, const wire::Layers& layers);
  void take_apart(unsigned packet);

  LargeSegmentLimits limits_;
  unsigned packets_ = 0;
  std::array<rte_mbuf*, burst> mbufs_;
  std::array<std::uint8_t, burst> counts_;
  std::array<Saved, burst> saved_;
};

}  // namespace salut::io
