// The network device between a script and the engine: raw IP packets on the script's side, Ethernet
// frames on ours.
//
// There is one station at the other end, and it is every address that the engine may ask for: ARP
// and neighbour solicitations are answered here and never seen by the script. What the engine sends
// is checked (packet_check.hpp) before the script gets it: a packet with a fault is printed and
// ends the process.
//
// Threads: under the loop's lock. Packets are copied; this is no fast path.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "salut/frame.hpp"
#include "salut/time.hpp"
#include "wire/headers.hpp"

namespace salut::packetdrill {

inline constexpr Mac our_mac = {{2, 0, 0, 0, 0, 1}};
inline constexpr Mac peer_mac = {{2, 0, 0, 0, 0, 2}};

// Buffers of plain memory, as large as an IP packet can be: a script may inject what no Ethernet
// would carry, as a device that joins segments does.
class Pool final : public FramePool {
 public:
  bool acquire(Frame* frames, unsigned count) override;
  void release(const Frame* frames, unsigned count) override;

 private:
  static constexpr std::uint16_t room = 65'535;
  std::vector<std::unique_ptr<std::byte[]>> all_;
  std::vector<std::byte*> free_;
};

class Netdev final : public Device {
 public:
  struct Packet {
    Instant at;
    std::vector<std::byte> bytes;
  };

  explicit Netdev(Pool& pool) : pool_(pool) {}

  // A raw IP packet on its way to the engine.
  void inject(std::span<const std::byte> ip_packet);
  bool idle() const { return to_engine_.empty(); }
  // Packets that the engine sends from now on are stamped with this.
  void set_time(Instant now) { now_ = now; }

  std::deque<Packet> sent;  // IP packets, oldest first

  unsigned receive(Frame* frames, unsigned count) override;
  unsigned transmit(const Frame* frames, unsigned count) override;

 private:
  void carry(std::span<const std::byte> frame);
  void answer_arp(std::span<const std::byte> request);
  bool answer_solicitation(std::span<const std::byte> ip_packet);
  void enqueue(std::uint16_t type, std::span<const std::byte> payload);

  Pool& pool_;
  Instant now_;
  std::deque<std::vector<std::byte>> to_engine_;  // frames
};

}  // namespace salut::packetdrill
