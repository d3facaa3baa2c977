// The stack's interfaces: which addresses are ours, where a destination leads, and the frames on
// their way out.
//
// A frame that came in and is done with is not given back at once: it is kept for this turn as a
// spare, and the next segment to leave takes it, still hot in cache (reply in place without caring
// which reply belongs to which frame). What is left at the end of the turn goes back in one call.
// Transmission is staged per interface and handed to the device once per turn; what a full device
// queue refuses stays first in line for the next turn.
//
// Threads: the stack's lcore. Cost: a few loads per frame; virtual calls only per turn.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "flow/key.hpp"
#include "salut/address.hpp"
#include "salut/counters.hpp"
#include "stack/device.hpp"
#include "stack/memory.hpp"
#include "stack/neighbours.hpp"
#include "wire/headers.hpp"

namespace salut::stack {

// One port of this worker as the engine sees it.
struct Interface {
  Device* device = nullptr;
  wire::Mac mac;
  std::uint16_t mtu = 1500;
  std::vector<Prefix> addresses;
  std::vector<AddressRange> ranges;
  IpAddress gateway;
};

// The owner of frames that waited for a next hop which never answered.
class UnresolvedListener {
 public:
  virtual ~UnresolvedListener() = default;
  virtual void on_unresolved(const Frame& frame) = 0;
};

class Links final : private Neighbours::Sink {
 public:
  static constexpr unsigned max_interfaces = 16;
  static constexpr unsigned spare_max = 256;
  static constexpr unsigned staged_max = 4096;  // frames per interface that wait for its device

  Links(std::vector<Interface> interfaces, FramePool& pool, Memory& memory, Counters& counters);
  ~Links() override;

  unsigned count() const { return static_cast<unsigned>(interfaces_.size()); }
  const Interface& interface(unsigned port) const { return interfaces_[port]; }

  // Is this address (network order) one of ours, on any interface?
  bool is_local(std::uint32_t address) const {
    const std::uint32_t host = net32(address);
    for (unsigned i = 0; i < local_count_; ++i) {
      if (host - local_[i].first < local_[i].count) return true;
    }
    return false;
  }

  struct Route {
    std::uint16_t port = 0;
    std::uint32_t next_hop = 0;  // network order
  };
  // Longest prefix first, then the gateway of the first interface that has one.
  std::optional<Route> route(std::uint32_t destination) const {
    for (unsigned i = 0; i < network_count_; ++i) {
      const Network& network = networks_[i];
      if ((destination & network.mask) != network.address) continue;
      return Route{network.port, network.gateway != 0 ? network.gateway : destination};
    }
    return std::nullopt;
  }

  Neighbours& neighbours() { return neighbours_; }
  const Neighbours& neighbours() const { return neighbours_; }

  // A frame to fill; false when none is left (counted).
  bool acquire(Frame& frame) {
    if (spare_count_ > 0) {
      frame = spare_[--spare_count_];
      return true;
    }
    return acquire_slow(frame);
  }
  // Takes back a frame that is done with.
  void recycle(const Frame& frame) {
    if (spare_count_ < spare_max && (frame.flags & scattered) == 0) {
      spare_[spare_count_++] = frame;
    } else {
      pool_.release(&frame, 1);
    }
  }
  void drop(const Frame& frame, Drop reason) {
    ++counters_.drops[static_cast<std::size_t>(reason)];
    recycle(frame);
  }

  // Takes a complete frame on its way to frame.port; the device gets it at the end of the turn.
  void stage(const Frame& frame) {
    Staged& staged = staged_[frame.port];
    if (staged.count < staged_max) [[likely]] {
      staged.frames[staged.count++] = frame;
    } else {
      drop(frame, Drop::tx_full);
    }
  }
  // Sends a complete frame, but for its destination MAC if that is not known yet.
  void send_via(std::uint16_t neighbour, Frame& frame, Instant now) {
    if (neighbours_.resolved(neighbour)) [[likely]] {
      stage(frame);
    } else if (!neighbours_.enqueue(neighbour, frame, now, *this)) {
      drop(frame, Drop::neighbour_queue_full);
    }
  }

  unsigned receive(unsigned port, Frame* frames, unsigned count);
  void flush();          // hands everything staged to the devices
  void release_spare();  // gives back what this turn's replies did not use
  bool sent_something() const { return sent_; }

  void on_arp(const Frame& frame, Instant now);
  void advance(Instant now) { neighbours_.advance(now, *this); }
  void set_unresolved_listener(UnresolvedListener* listener) { unresolved_ = listener; }

 private:
  struct Local {
    std::uint32_t first;  // host order
    std::uint32_t count;
  };
  // All in network order; longest masks first, a default route last.
  struct Network {
    std::uint32_t address;
    std::uint32_t mask;
    std::uint32_t gateway;  // 0: on the link
    std::uint16_t port;
  };
  struct Staged {
    Frame* frames = nullptr;
    unsigned count = 0;
  };

  void add_networks();
  bool acquire_slow(Frame& frame);
  void send_arp_request(std::uint16_t port, std::uint32_t target_ip,
                        const wire::Mac* unicast) override;
  void transmit(Frame& frame) override { stage(frame); }
  void unresolved(Frame& frame) override;
  std::uint32_t source_for(std::uint16_t port, std::uint32_t target) const;

  std::vector<Interface> interfaces_;
  FramePool& pool_;
  Counters& counters_;
  UnresolvedListener* unresolved_ = nullptr;
  std::array<Local, 256> local_ = {};
  unsigned local_count_ = 0;
  std::array<Network, 256> networks_ = {};
  unsigned network_count_ = 0;
  std::array<Frame, spare_max> spare_ = {};
  unsigned spare_count_ = 0;
  FixedArray<Frame> staged_frames_;
  std::array<Staged, max_interfaces> staged_ = {};
  bool sent_ = false;
  Neighbours neighbours_;
};

}  // namespace salut::stack
