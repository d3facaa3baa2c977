// The stack's interfaces: which addresses are ours, where a destination leads, and the frames on
// their way out.
//
// A frame that came in and is done with is not given back at once: it is kept for this turn as a
// spare, and the next segment to leave takes it, still hot in cache (reply in place without caring
// which reply belongs to which frame). What is left at the end of the turn goes back in one call.
// Transmission is staged per interface and handed to the device once per turn; what a full device
// queue refuses stays first in line for the next turn.
//
// An interface of a VLAN takes and sends tagged frames only; the tag is gone before anybody else
// looks and put in after everybody else is done. One with an IPv6 address has a link-local address
// too (RFC 4291 §2.1), made of its MAC if none is configured.
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

// Destinations beyond a gateway.
struct StaticRoute {
  Prefix to;
  IpAddress via;  // any: they are on the link
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
  bool completes_checksums = false;  // the device honours l4_checksum_left
  std::vector<Prefix> addresses;
  std::vector<AddressRange> ranges;
  IpAddress gateway;  // of each family; any: none
  IpAddress gateway6 = IpAddress::any_v6();
  std::vector<StaticRoute> routes;
  std::vector<IpAddress> siblings;  // other instances on the link, with the same `ranges`
  std::vector<StaticNeighbour> neighbours;
  // Where several workers share the port: whose flows are whose, and which of them this is.
  // Outlives the engine.
  const flow::Steering* steering = nullptr;
  unsigned steered_as = 0;
};

// Who is told that a next hop which somebody holds does not answer.
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
  // Announcements of our addresses: RFC 5227 §1.1. Of ranges only so many: a neighbour that was
  // told of 65,536 addresses would forget all others.
  static constexpr unsigned announce_rounds = 2;
  static constexpr Duration announce_every = std::chrono::seconds{2};
  static constexpr std::uint32_t announced_of_ranges = 1'024;
  static constexpr unsigned announce_burst = 64;  // frames per advance() and port

  // `neighbours`: but for `links`, which is known here.
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

  // Is it in a range of the port, and not in `addresses`, which are ours alone?
  // REQUIRES: is_local(address).
  bool is_shared(unsigned port, const Address& address) const;
  const Siblings& siblings() const { return siblings_; }

  // May one station have this address? Not any, not multicast, not the broadcast of a link of ours
  // (RFC 9293 §3.9.2.3): nobody connects to those, and who comes from one is not answered.
  bool is_station(const Address& address) const {
    if (address.is_any() || address.is_multicast()) return false;
    return !address.is_v4() || is_station(net32(address.v4()));
  }

  // Longest prefix first, then the gateway of the first interface that has one.
  std::optional<Route> route(const Address& destination) const { return routes_.find(destination); }
  // To the sender of a packet that came in on `port`, whose link a link-local address is of.
  std::optional<Route> route_back(const Address& source, std::uint16_t port) const {
    if (source.is_link_local()) return Route{port, source};
    return routes_.find(source);
  }
  // Our address on the link of `port` in the family and scope of `target`, the one whose prefix
  // has it if any; any of IPv4 if there is none.
  Address source_for(std::uint16_t port, const Address& target) const;

  Neighbours& neighbours() { return neighbours_; }
  const Neighbours& neighbours() const { return neighbours_; }

  // Frames are asked for so many ahead of whoever reads or fills them. More misses at once than a
  // core keeps track of (some twenty) are forgotten: between distant cores, 64 asked for at once
  // cost 270 cycles each, and 8 ahead 40.
  static constexpr unsigned ahead = 8;
  // As the owner of its lines: most frames are written again, to carry a reply.
  static void prefetch(const Frame& frame) {
    constexpr std::size_t line = 64;
    __builtin_prefetch(frame.data, 1);
    __builtin_prefetch(frame.data + line, 1);
  }

  // A frame to fill; false when none is left (counted).
  bool acquire(Frame& frame) {
    if (spare_count_ > 0) {
      frame = spare_[--spare_count_];
      if (spare_count_ >= ahead) prefetch(spare_[spare_count_ - ahead]);
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
    Frame clean = frame;  // whoever takes it next may not ask for what it was to ask for
    clean.flags &= static_cast<std::uint16_t>(~l4_checksum_left);
    recycle(clean);
  }

  // Takes a complete frame on its way to frame.port; the device gets it at the end of the turn.
  void stage(const Frame& frame) {
    Staged& staged = staged_[frame.port];
    if (staged.count == staged_max) [[unlikely]]
      return drop(frame, Drop::tx_full);
    staged.frames[staged.count] = frame;
    if (staged.vlan != 0 && !tag(staged.frames[staged.count], staged.vlan)) [[unlikely]]
      return drop(frame, Drop::no_buffer);
    ++staged.count;
  }
  // How many segments of connections with data may still be staged; the last quarter is for what
  // does not wait.
  unsigned room_for_data(unsigned port) const {
    return staged_by_outputs - std::min(staged_by_outputs, staged_[port].count);
  }
  // May a connection put together what it has to send? Where the device is slower than we are it
  // waits in the queue of outputs, where waiting makes nothing out of date, and is not lost here;
  // the last quarter is for answers, which do not wait. A device that takes nothing at all any more
  // is another matter: what goes there is lost, as on a broken wire, and timers see to it.
  bool has_room_for_output(unsigned port, Instant now) const {
    const Staged& staged = staged_[port];
    return staged.count < staged_by_outputs || now - staged.moved_at > stuck_after;
  }
  // May a burst of `port` be answered? If not it stays with its device, but not for long: two who
  // wait for each other, or one for himself, must not.
  bool has_room_for_answers(unsigned port, unsigned burst, Instant now) const {
    const Staged& staged = staged_[port];
    return staged.count + 2 * burst <= staged_max || now - staged.moved_at > unanswered_most;
  }
  // Sends a complete frame, but for its destination MAC if that is not known yet.
  void send_via(std::uint16_t neighbour, Frame& frame, Instant now) {
    if (neighbours_.resolved(neighbour)) [[likely]] {
      stage(frame);
    } else if (!neighbours_.enqueue(neighbour, frame, now, *this)) {
      drop(frame, Drop::neighbour_queue_full);
    }
  }

  // The entry of a station on the way to which a handshake was just completed at `mac`: itself if
  // it is on the link, or its gateway. Neighbours::none if the table is full of what is held.
  std::uint16_t settle(const Route& route, const Address& station, const Mac& mac, Instant now) {
    const Mac nobody;
    return neighbours_.settle(route.port, route.next_hop, route.next_hop == station ? mac : nobody,
                              now, *this);
  }
  // Does somebody else use one of our addresses as his own (a LAND attack)? Our own frames come
  // back by a wire to ourselves, or from the station that the configuration names.
  // REQUIRES: is_local(source).
  bool is_impostor(const Frame& frame, const Address& source) const;
  // Takes the tag out of a frame that has one for its priority only: it is an untagged frame (IEEE
  // 802.1Q §6.9). False, with the frame untouched, for all others.
  static bool untag_priority(Frame& frame);

  // The port was opened, or its link is up again: stations that have an old MAC for an address of
  // ours learn the new one now and not when their cache is old, and gateways are asked for before
  // anybody needs them. Never called for a wire of our own.
  void announce(std::uint16_t port, Instant now);

  unsigned receive(unsigned port, Frame* frames, unsigned count);
  // The device gave as many as it was asked for in the last receive(): there may be more.
  bool burst_was_full() const { return burst_was_full_; }
  void flush(Instant now);  // hands everything staged to the devices
  void release_spare();     // gives back what this turn's replies did not use
  bool sent_something() const { return sent_; }

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
  // When the next request, probe or announcement is due; nothing if none is. For virtual time.
  std::optional<Instant> next_due() const;
  void set_unreachable_listener(UnreachableListener* listener) { unreachable_ = listener; }

 private:
  struct Staged {
    Frame* frames = nullptr;
    unsigned count = 0;
    std::uint16_t vlan = 0;
    Instant moved_at;  // the device last took one, or had nothing to take
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
  std::vector<std::uint16_t> gateways_;  // their entries, held from the start; some maybe twice
  Siblings siblings_;
};

}  // namespace salut::ip
