// TCP segmentation offload at the last step: frames of one burst that are a run of one connection
// become one chain of mbufs, which the device cuts into the same frames again.
//
// The core knows nothing of it: it emits segments of at most one MSS, each in a frame of its own,
// and a port without TSO sends them so. A run is what a device would make of one large segment, to
// the bit: the same headers but for what a device counts up (sequence number, IPv4's ID, lengths,
// sums), each of the same size and only the last smaller, PSH or FIN on the last alone. So nothing
// can be seen of it on the wire. The bet: a sender's burst lies side by side in the queue. One that
// is mixed with others is sent as it is.
//
// What a chain saves is the device's work and the bus's: the first frame's headers serve all, those
// of the others are skipped. Frames without payload, nearly all of opening and closing, cost one
// look at their flags.
//
// A chain is made of frames that belong to somebody: what the device did not take is taken apart
// again and is what it was, byte for byte. A driver that frees chains must look at every mbuf,
// which is the opposite of RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE: a port has one of the two.
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

// What a device takes.
struct LargeSegmentLimits {
  unsigned frames = 0;         // in one chain; below two: none is made
  bool completes_ip4 = false;  // writes the checksum of IPv4's header; else it is ours
};

class LargeSegments {
 public:
  static constexpr unsigned burst = 64;
  // Of 23 KB with an MTU of 1,500. More gains little; drivers take 24 to 40 buffers a packet.
  static constexpr unsigned frames_max = 16;
  // Below it cards refuse to cut (i40e, iavf), and there is little to gain.
  static constexpr std::size_t mss_min = 256;

  explicit LargeSegments(const LargeSegmentLimits& limits) : limits_(limits) {}

  // Packets out of the first `count` frames, at most `burst`; returns how many.
  unsigned build(const Frame* frames, unsigned count);
  rte_mbuf** packets() { return mbufs_.data(); }
  bool is_chain(unsigned packet) const { return counts_[packet] > 1; }
  // After the device took the first `taken` packets: takes the rest apart; returns how many frames
  // the device has.
  unsigned reclaim(unsigned taken);

 private:
  // What the first frame's headers were before they stood for all.
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
