// The stack's interfaces: which addresses are ours, the route to a destination, and the frames to
// be transmitted.
//
// A received frame that is no longer needed is not given back at once. It becomes a spare of this
// turn, and the next segment to leave takes it while it is still in cache. So a reply is written in
// place, though not always into the frame that it answers. The spares that are left at the end of
// the turn go back in one call. Frames to send are staged per interface, and the device gets them
// once per turn; those that its full queue refuses stay first in line for the next turn.
//
// An interface of a VLAN takes and sends tagged frames only. The tag is removed before other code
// sees the frame and added after all of it is done. An interface with an IPv6 address has a
// link-local address too (RFC 4291 §2.1), made of its MAC if none is configured.
//
// Threads: the stack's lcore. Cost: a few loads per frame; virtual calls only per turn.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/key.hpp"
#include "base/limits.hpp"
#include "base/memory.hpp"
#include "flow/steering.hpp"
#include "ip/ndp.hpp"
#include "ip/neighbours.hpp"
#include "ip/routes.hpp"
#include "ip/siblings.hpp"
#include "salut/address.hpp"
#include "salut/counters.hpp"
#include "salut/frame.hpp"
#include "wire/headers.hpp"

namespace salut::ip {

// Destinations that are not behind the gateway.
struct StaticRoute {
  Prefix to;
  IpAddress via;  // the next hop; any: the destinations are on the link
};

// A station whose MAC is known from the start.
struct StaticNeighbour {
  IpAddress address;
  Mac mac;
};

// One port of this worker as the engine sees it.
struct Interface {
  Device* device = nullptr;
  Mac mac;
  std::uint16_t mtu = 1500;
  std::uint16_t vlan = 0;            // 802.1Q tag of all its frames; 0: they have none
  bool completes_checksums = false;  // the device supports l4_checksum_left
  std::vector<Prefix> addresses;
  std::vector<AddressRange> ranges;
  IpAddress gateway;  // one per family; any: none
  IpAddress gateway6 = IpAddress::any_v6();
  std::vector<StaticRoute> routes;
  std::vector<IpAddress> siblings;  // other instances on the link, with the same `ranges`
  std::vector<StaticNeighbour> neighbours;
  // If several workers share the port: the function from flow to worker, and this worker's number
  // in it. Must outlive the engine.
  const flow::Steering* steering = nullptr;
  unsigned steered_as = 0;
};

// Is told when a next hop that somebody holds does not answer.
class UnreachableListener {
 public:
  virtual ~UnreachableListener() = default;
  virtual void on_unreachable(std::uint16_t hop) = 0;
};

class Interfaces final : private Neighbours::Sink {
 public:
  static constexpr unsigned max_interfaces = ports_max;
  static constexpr unsigned spare_max = 256;
  static constexpr unsigned staged_max = 4096;  // frames per interface that wait for its device
  static constexpr unsigned staged_by_outputs = staged_max / 4 * 3;
  static constexpr Duration stuck_after = std::chrono::milliseconds{100};
  static constexpr Duration unanswered_most = std::chrono::milliseconds{20};
  // Announcements of our addresses: RFC 5227 §1.1. Of ranges at most so many addresses: 65,536
  // announcements would push everything else out of a neighbour's cache.
  static constexpr unsigned announce_rounds = 2;
  static constexpr Duration announce_every = std::chrono::seconds{2};
  static constexpr std::uint32_t announced_of_ranges = 1'024;
  static constexpr unsigned announce_burst = 64;  // frames per advance() and port

  // `neighbours`: all but `links`, which this sets itself.
  Interfaces(std::vector<Interface> interfaces, FramePool& pool, Memory& memory, Counters& counters,
             const NeighbourOptions& neighbours = {});
  ~Interfaces() override;

  unsigned count() const { return static_cast<unsigned>(interfaces_.size()); }
  const Interface& interface(unsigned port) const { return interfaces_[port]; }

  // Has any interface an IPv6 address?
  bool has_ip6() const { return has_ip6_; }

  // Is this address one of ours, on any interface?
  bool is_local(const Address& address) const {
    constexpr auto none = Intervals<std::uint32_t>::none;
    return address.is_v4() ? local_.find(net32(address.v4())) != none
                           : local6_.find(number_of(address)) != none;
  }

  // Is it in a range of the port, which siblings may share, and not one of its own `addresses`?
  // REQUIRES: is_local(address).
  bool is_shared(unsigned port, const Address& address) const;
  const Siblings& siblings() const { return siblings_; }

  // May a single station have this address? Not if it is any, multicast, or the broadcast address
  // of a link of ours (RFC 9293 §3.9.2.3): we neither connect to those nor answer them.
  bool is_station(const Address& address) const {
    if (address.is_any() || address.is_multicast()) return false;
    return !address.is_v4() || is_station(net32(address.v4()));
  }

  // The longest prefix wins; else the gateway of the first interface that has one.
  std::optional<Route> route(const Address& destination) const { return routes_.find(destination); }
  // The route to the sender of a packet that came in on `port`. A link-local sender is on the link
  // of that port.
  std::optional<Route> route_back(const Address& source, std::uint16_t port) const {
    if (source.is_link_local()) return Route{port, source};
    return routes_.find(source);
  }
  // The address of `port` to talk to `target` from: the one whose prefix contains it; else one of
  // its family, link-local only if there is no other; else 0.0.0.0.
  Address source_for(std::uint16_t port, const Address& target) const;

  Neighbours& neighbours() { return neighbours_; }
  const Neighbours& neighbours() const { return neighbours_; }

  // Frames are prefetched so many ahead of the code that reads or fills them. A core tracks some
  // twenty misses and forgets further prefetches: of frames from a distant core, 64 prefetched at
  // once cost 270 cycles each, and 8 ahead cost 40.
  static constexpr unsigned ahead = 8;
  // For writing, because most frames are overwritten with a reply.
  static void prefetch(const Frame& frame) {
    constexpr std::size_t line = 64;
    __builtin_prefetch(frame.data, 1);
    __builtin_prefetch(frame.data + line, 1);
  }

  // Takes a frame to fill. False: none is left, which is counted as no_buffer.
  bool acquire(Frame& frame) {
    if (spare_count_ > 0) {
      frame = spare_[--spare_count_];
      if (spare_count_ >= ahead) prefetch(spare_[spare_count_ - ahead]);
      return true;
    }
    return acquire_slow(frame);
  }
  // Takes back a frame that is no longer needed.
  void recycle(const Frame& frame) {
    if (spare_count_ < spare_max && (frame.flags & scattered) == 0) {
      spare_[spare_count_++] = frame;
    } else {
      pool_.release(&frame, 1);
    }
  }
  void drop(const Frame& frame, Drop reason) {
    ++counters_.drops[static_cast<std::size_t>(reason)];
    Frame clean = frame;  // the next segment in it must not inherit a request to the device
    clean.flags &= static_cast<std::uint16_t>(~l4_checksum_left);
    recycle(clean);
  }

  // Takes a complete frame for frame.port; the device gets it at the end of the turn.
  void stage(const Frame& frame) {
    Staged& staged = staged_[frame.port];
    if (staged.count == staged_max) [[unlikely]]
      return drop(frame, Drop::tx_full);
    staged.frames[staged.count] = frame;
    if (staged.vlan != 0 && !tag(staged.frames[staged.count], staged.vlan)) [[unlikely]]
      return drop(frame, Drop::no_buffer);
    ++staged.count;
  }
  // How many segments of connections with data may still be staged. The last quarter of the room is
  // kept for answers, which cannot wait.
  unsigned room_for_data(unsigned port) const {
    return staged_by_outputs - std::min(staged_by_outputs, staged_[port].count);
  }
  // May a connection build its segments now? If the device is slower than we are, the connection
  // waits in the queue of outputs: its segments are built later, up to date, and are not lost here.
  // If the device has taken nothing for stuck_after, segments are built and lost as on a broken
  // wire, so that retransmission timers run as usual.
  bool has_room_for_output(unsigned port, Instant now) const {
    const Staged& staged = staged_[port];
    return staged.count < staged_by_outputs || now - staged.moved_at > stuck_after;
  }
  // Is there room to answer a burst of `port`? If not, the burst stays in its device, for at most
  // unanswered_most: two stacks that send to each other, or one that sends to itself, would wait
  // for ever.
  bool has_room_for_answers(unsigned port, unsigned burst, Instant now) const {
    const Staged& staged = staged_[port];
    return staged.count + 2 * burst <= staged_max || now - staged.moved_at > unanswered_most;
  }
  // Sends a frame, complete except for its destination MAC if that is not known yet.
  void send_via(std::uint16_t neighbour, Frame& frame, Instant now) {
    if (neighbours_.resolved(neighbour)) [[likely]] {
      stage(frame);
    } else if (!neighbours_.enqueue(neighbour, frame, now, *this)) {
      drop(frame, Drop::neighbour_queue_full);
    }
  }

  // The next hop's entry for a peer whose handshake was just completed from `mac`: the peer itself
  // if it is on the link, or else its gateway. Neighbours::none if all entries are held.
  std::uint16_t settle(const Route& route, const Address& station, const Mac& mac, Instant now) {
    const Mac nobody;
    return neighbours_.settle(route.port, route.next_hop, route.next_hop == station ? mac : nobody,
                              now, *this);
  }
  // Does another station send from one of our addresses (a LAND attack)? Our own frames may come
  // back: from a MAC of ours, by a wire to ourselves, or from the MAC that the configuration gives
  // for that address.
  // REQUIRES: is_local(source).
  bool is_impostor(const Frame& frame, const Address& source) const;
  // Removes a tag with VLAN ID 0, which has a priority only: such a frame counts as untagged (IEEE
  // 802.1Q §6.9). False, with the frame untouched, for all other frames.
  static bool untag_priority(Frame& frame);

  // The port was opened, or its link is up again. Stations that know an old MAC for an address of
  // ours learn the new one now, not when their cache entry expires; and gateways are resolved
  // before a segment needs them. Not for a port that is joined to ourselves.
  void announce(std::uint16_t port, Instant now);

  unsigned receive(unsigned port, Frame* frames, unsigned count);
  // Did the last receive() get as many frames as it asked for? Then there may be more.
  bool burst_was_full() const { return burst_was_full_; }
  void flush(Instant now);  // hands everything staged to the devices
  void release_spare();     // gives back what this turn's replies did not use
  bool sent_something() const { return sent_; }
  // Did a device not take all of it?
  bool has_staged() const {
    return std::any_of(staged_.begin(), staged_.end(),
                       [](const Staged& staged) { return staged.count != 0; });
  }

  void on_arp(const Frame& frame, Instant now);
  // `icmp`: as parse() left it. REQUIRES: is_ndp().
  void on_ndp(const Frame& frame, const wire::Segment& icmp, Instant now);
  void advance(Instant now) {
    neighbours_.advance(now, *this);
    if (announcing_ != 0) announce_more(now);
    siblings_.probe(now, [this](std::uint16_t port, const Address& target, const Mac* unicast) {
      solicit(port, target, unicast);
    });
  }
  // When the next request, probe or announcement is due; empty if none is. For virtual time.
  std::optional<Instant> next_due() const;
  void set_unreachable_listener(UnreachableListener* listener) { unreachable_ = listener; }

 private:
  struct Staged {
    Frame* frames = nullptr;
    unsigned count = 0;
    std::uint16_t vlan = 0;
    Instant moved_at;  // when the device last took a frame or had none to take
  };
  struct Announcing {
    unsigned rounds = 0;  // still to come
    std::uint32_t next = 0;
    Instant at;
  };

  bool is_station(std::uint32_t v4) const;
  void add_link_local(Interface& interface);
  void add_addresses(std::uint16_t port);
  void add_routes();
  void add_siblings(std::uint16_t port);
  unsigned untag(std::uint16_t vlan, Frame* frames, unsigned count);
  bool tag(Frame& frame, std::uint16_t vlan);
  bool acquire_slow(Frame& frame);
  void solicit(std::uint16_t port, const Address& target, const Mac* unicast) override;
  void solicit_neighbour(std::uint16_t port, const Address& target, const Mac* unicast);
  void on_advertisement(std::uint16_t port, const Ndp& ndp, Instant now);
  void transmit(Frame& frame) override { stage(frame); }
  void unresolved(Frame& frame) override { drop(frame, Drop::neighbour_unresolved); }
  void crowded_out(Frame& frame) override { drop(frame, Drop::neighbour_queue_full); }
  void unreachable(std::uint16_t index) override {
    if (unreachable_ != nullptr) unreachable_->on_unreachable(index);
  }
  std::optional<Address> announced(std::uint16_t port, std::uint32_t nth) const;
  void announce_more(Instant now);
  void announce_address(std::uint16_t port, const Address& address);

  std::vector<Interface> interfaces_;
  FramePool& pool_;
  Counters& counters_;
  UnreachableListener* unreachable_ = nullptr;
  Intervals<std::uint32_t> local_;  // of every port
  Intervals<Wide> local6_;
  std::vector<std::uint32_t> broadcasts_;  // of IPv4 links, host order
  Routes routes_;
  bool has_ip6_ = false;
  std::array<Frame, spare_max> spare_ = {};
  unsigned spare_count_ = 0;
  FixedArray<Frame> staged_frames_;
  std::array<Staged, max_interfaces> staged_ = {};
  std::array<Announcing, max_interfaces> announce_ = {};
  unsigned announcing_ = 0;  // ports with rounds to come
  bool sent_ = false;
  bool burst_was_full_ = false;
  Neighbours neighbours_;
  std::vector<std::uint16_t> gateways_;  // entries of all next hops, held; some may be in it twice
  Siblings siblings_;
};

}  // namespace salut::ip
