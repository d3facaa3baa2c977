#include "ip/interfaces.hpp"

#include <algorithm>
#include <cstring>

#include "ip/arp.hpp"
#include "wire/parse.hpp"

namespace salut::ip {
namespace {

constexpr std::size_t tag_at = 2 * sizeof(Mac);
constexpr unsigned vlan_id_mask = 0x0fff;  // the rest is the priority, which we ignore

bool has_tag(const Frame& frame, unsigned vlan) {
  return frame.length >= wire::ethernet_size + wire::vlan_size &&
         wire::load<std::uint16_t>(frame.data + tag_at) == net16(wire::ether_type_vlan) &&
         (net16(wire::load<std::uint16_t>(frame.data + tag_at + 2)) & vlan_id_mask) == vlan;
}

// Moves the bytes behind the tag. To move the two MACs would be cheaper, but then the frame would
// start four bytes later each time that its buffer crosses a loop port, until it had no room.
void take_tag(Frame& frame) {
  std::byte* const tag = frame.data + tag_at;
  frame.length = static_cast<std::uint16_t>(frame.length - wire::vlan_size);
  std::memmove(tag, tag + wire::vlan_size, frame.length - tag_at);
}

template <typename Function>
void for_next_hops(const Interface& interface, Function function) {
  if (!interface.gateway.is_any()) function(interface.gateway);
  if (!interface.gateway6.is_any()) function(interface.gateway6);
  for (const StaticRoute& route : interface.routes) {
    if (!route.via.is_any()) function(route.via);
  }
}

// Adds room for the stations that the configuration names to its `neighbours`.
NeighbourOptions with_links(NeighbourOptions options, const std::vector<Interface>& interfaces) {
  options.links = static_cast<std::uint16_t>(interfaces.size());
  for (const Interface& interface : interfaces) {
    options.capacity += static_cast<std::uint32_t>(interface.neighbours.size());
    for_next_hops(interface, [&](const IpAddress&) { ++options.capacity; });
  }
  return options;
}

}  // namespace

Interfaces::Interfaces(std::vector<Interface> interfaces, FramePool& pool, Memory& memory,
                       Counters& counters, const NeighbourOptions& neighbours)
    : interfaces_(std::move(interfaces)),
      pool_(pool),
      counters_(counters),
      staged_frames_(memory, interfaces_.size() * staged_max, Use::buffers),
      neighbours_(memory, with_links(neighbours, interfaces_)) {
  for (std::uint16_t port = 0; port < interfaces_.size(); ++port) {
    staged_[port].frames = &staged_frames_[port * staged_max];
    staged_[port].vlan = interfaces_[port].vlan;
    add_link_local(interfaces_[port]);
    add_addresses(port);
    add_siblings(port);
    for (const StaticNeighbour& given : interfaces_[port].neighbours) {
      neighbours_.fix(port, Address::of(given.address), given.mac);
    }
  }
  local_.build();
  local6_.build();
  add_routes();
  // Next hops are held from the start: nothing behind them works without them, so that no other
  // station may evict them.
  for (std::uint16_t port = 0; port < interfaces_.size(); ++port) {
    for_next_hops(interfaces_[port], [&](const IpAddress& hop) {
      const std::uint16_t index = neighbours_.find_or_add(port, Address::of(hop));
      if (index == Neighbours::none) return;
      neighbours_.hold(index);
      gateways_.push_back(index);
    });
  }
}

Interfaces::~Interfaces() {
  for (unsigned port = 0; port < interfaces_.size(); ++port) {
    if (staged_[port].count > 0) pool_.release(staged_[port].frames, staged_[port].count);
  }
  neighbours_.give_back(pool_);
  release_spare();
}

// RFC 2464 §5: the MAC with ff:fe in its middle and the universal/local bit inverted.
void Interfaces::add_link_local(Interface& interface) {
  bool ip6 = false;
  for (const AddressRange& range : interface.ranges) ip6 = ip6 || range.first.is_v6();
  for (const Prefix& prefix : interface.addresses) {
    ip6 = ip6 || prefix.address.is_v6();
    if (prefix.address.is_link_local()) return;
  }
  if (!ip6) return;
  const auto& mac = interface.mac.bytes;
  const IpAddress address =
      IpAddress::from_bytes({0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(mac[0] ^ 2),
                             mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]});
  interface.addresses.push_back(Prefix{address, 64});
}

void Interfaces::add_addresses(std::uint16_t port) {
  const auto add = [&](const IpAddress& first, const IpAddress& last) {
    if (first.is_v4()) return local_.add(first.v4(), last.v4(), 0, 0);
    local6_.add(number_of(first), number_of(last), 0, 0);
    has_ip6_ = true;
  };
  constexpr std::uint8_t broadcast_most = 30;  // RFC 3021: a /31 has no broadcast address
  for (const Prefix& prefix : interfaces_[port].addresses) {
    add(prefix.address, prefix.address);
    if (prefix.address.is_v4() && prefix.length <= broadcast_most) {
      broadcasts_.push_back(prefix.last().v4());
    }
  }
  for (const AddressRange& range : interfaces_[port].ranges) add(range.first, range.last());
}

void Interfaces::add_siblings(std::uint16_t port) {
  for (const IpAddress& sibling : interfaces_[port].siblings) {
    const Address address = Address::of(sibling);
    siblings_.add(port, address, source_for(port, address));
  }
}

bool Interfaces::is_shared(unsigned port, const Address& address) const {
  const IpAddress which = address.ip();
  return std::ranges::any_of(interfaces_[port].ranges,
                             [&](const AddressRange& range) { return range.contains(which); }) &&
         std::ranges::find(interfaces_[port].addresses, which, &Prefix::address) ==
             interfaces_[port].addresses.end();
}

bool Interfaces::is_impostor(const Frame& frame, const Address& source) const {
  const Mac& sender = wire::view<wire::EthernetHeader>(frame.data).source;
  const auto is_sender = [&](const Interface& one) { return one.mac == sender; };
  if (std::any_of(interfaces_.begin(), interfaces_.end(), is_sender)) return false;
  const auto route = route_back(source, frame.port);
  if (!route) return true;
  const std::uint16_t hop = neighbours_.find(route->port, route->next_hop);
  return hop == Neighbours::none || neighbours_.state(hop) != Neighbours::State::fixed ||
         neighbours_.mac(hop) != sender;
}

bool Interfaces::is_station(std::uint32_t v4) const {
  const bool multicast = v4 >> 28 == 14;
  return !multicast && v4 != 0xffff'ffff &&
         std::find(broadcasts_.begin(), broadcasts_.end(), v4) == broadcasts_.end();
}

// Of equal prefixes the one added first wins: links before routes before gateways.
void Interfaces::add_routes() {
  const IpAddress on_link;
  for (std::uint16_t port = 0; port < interfaces_.size(); ++port) {
    for (const Prefix& prefix : interfaces_[port].addresses) routes_.add(prefix, port, on_link);
  }
  // A next hop is on the link even if no prefix of its port contains it: clouds give a host a /32
  // and a gateway outside of it.
  for (std::uint16_t port = 0; port < interfaces_.size(); ++port) {
    for_next_hops(interfaces_[port], [&](const IpAddress& hop) {
      if (hop.is_link_local()) return;
      routes_.add(Prefix{hop, static_cast<std::uint8_t>(hop.is_v4() ? 32 : 128)}, port, on_link);
    });
  }
  for (std::uint16_t port = 0; port < interfaces_.size(); ++port) {
    for (const StaticRoute& route : interfaces_[port].routes) {
      routes_.add(route.to, port, route.via);
    }
  }
  for (std::uint16_t port = 0; port < interfaces_.size(); ++port) {
    const IpAddress& gateway = interfaces_[port].gateway;
    const IpAddress& gateway6 = interfaces_[port].gateway6;
    if (!gateway.is_any()) routes_.add(Prefix{IpAddress{}, 0}, port, gateway);
    if (!gateway6.is_any()) routes_.add(Prefix{IpAddress::any_v6(), 0}, port, gateway6);
  }
  routes_.build();
}

bool Interfaces::acquire_slow(Frame& frame) {
  constexpr unsigned batch = 32;
  if (pool_.acquire(spare_.data(), batch)) {
    spare_count_ = batch;
  } else if (pool_.acquire(spare_.data(), 1)) {
    spare_count_ = 1;
  } else {
    ++counters_.drops[static_cast<std::size_t>(Drop::no_buffer)];
    return false;
  }
  for (unsigned i = spare_count_ - std::min(spare_count_, ahead); i < spare_count_; ++i) {
    prefetch(spare_[i]);
  }
  frame = spare_[--spare_count_];
  return true;
}

unsigned Interfaces::receive(unsigned port, Frame* frames, unsigned count) {
  const unsigned received = interfaces_[port].device->receive(frames, count);
  burst_was_full_ = received == count;
  for (unsigned i = 0; i < std::min(received, ahead); ++i) prefetch(frames[i]);
  for (unsigned i = 0; i < received; ++i) {
    frames[i].port = static_cast<std::uint16_t>(port);
    counters_.rx_bytes += frames[i].length;
  }
  counters_.rx_frames += received;
  if (staged_[port].vlan != 0) [[unlikely]]
    return untag(staged_[port].vlan, frames, received);
  return received;
}

// Removes the tags, and drops frames with another tag or none. Returns how many frames are left.
unsigned Interfaces::untag(std::uint16_t vlan, Frame* frames, unsigned count) {
  unsigned kept = 0;
  for (unsigned i = 0; i < count; ++i) {
    if (i + ahead < count) prefetch(frames[i + ahead]);
    Frame frame = frames[i];
    if (!has_tag(frame, vlan)) {
      drop(frame, Drop::vlan_other);
      continue;
    }
    take_tag(frame);
    frames[kept++] = frame;
  }
  return kept;
}

bool Interfaces::untag_priority(Frame& frame) {
  if (!has_tag(frame, 0) || wire::load<std::uint16_t>(frame.data + tag_at + wire::vlan_size) ==
                                net16(wire::ether_type_vlan)) {
    return false;  // two tags: not for us, and a stack of tags would cost a move for each
  }
  take_tag(frame);
  return true;
}

// False: the buffer has no room for four more bytes.
bool Interfaces::tag(Frame& frame, std::uint16_t vlan) {
  if (frame.room < frame.length + wire::vlan_size) return false;
  std::byte* const at = frame.data + tag_at;
  std::memmove(at + wire::vlan_size, at, frame.length - tag_at);
  wire::store(at, net16(wire::ether_type_vlan));
  wire::store(at + 2, net16(vlan));
  frame.length = static_cast<std::uint16_t>(frame.length + wire::vlan_size);
  return true;
}

void Interfaces::flush(Instant now) {
  sent_ = false;
  for (unsigned port = 0; port < interfaces_.size(); ++port) {
    Staged& staged = staged_[port];
    if (staged.count == 0) {
      staged.moved_at = now;
      continue;
    }
    std::uint64_t bytes = 0;
    const unsigned sent = interfaces_[port].device->transmit(staged.frames, staged.count);
    for (unsigned i = 0; i < sent; ++i) bytes += staged.frames[i].length;
    counters_.tx_frames += sent;
    counters_.tx_bytes += bytes;
    staged.count -= sent;
    if (staged.count > 0) {
      std::memmove(staged.frames, staged.frames + sent, staged.count * sizeof(Frame));
    }
    sent_ = sent_ || sent > 0;
    if (sent > 0) staged.moved_at = now;
  }
}

void Interfaces::release_spare() {
  if (spare_count_ > 0) pool_.release(spare_.data(), spare_count_);
  spare_count_ = 0;
}

std::optional<Instant> Interfaces::next_due() const {
  std::optional<Instant> next = neighbours_.next_retry();
  const auto sooner = [&next](Instant at) { next = next ? std::min(*next, at) : at; };
  if (const auto probe = siblings_.next_probe()) sooner(*probe);
  for (unsigned port = 0; announcing_ != 0 && port < interfaces_.size(); ++port) {
    if (announce_[port].rounds != 0) sooner(announce_[port].at);
  }
  return next;
}

Address Interfaces::source_for(std::uint16_t port, const Address& target) const {
  const IpAddress to = target.ip();
  const Prefix* best = nullptr;
  for (const Prefix& prefix : interfaces_[port].addresses) {
    const IpAddress& address = prefix.address;
    if (address.is_v4() != to.is_v4()) continue;
    if (prefix.contains(to)) return Address::of(address);
    // A link-local address is only good on its link; the first of the others will do.
    if (best == nullptr || (best->address.is_link_local() && !address.is_link_local())) {
      best = &prefix;
    }
  }
  return best != nullptr ? Address::of(best->address) : Address::v4(0);
}

void Interfaces::solicit(std::uint16_t port, const Address& target, const Mac* unicast) {
  if (!target.is_v4()) return solicit_neighbour(port, target, unicast);
  Frame frame;
  if (!acquire(frame)) return;
  Arp arp;
  arp.op = wire::arp_request;
  arp.sender_mac = interfaces_[port].mac;
  arp.sender_ip = source_for(port, target).v4();
  arp.target_ip = target.v4();
  emit_arp(frame, arp, unicast != nullptr ? *unicast : broadcast_mac);
  frame.port = port;
  stage(frame);
}

void Interfaces::on_arp(const Frame& frame, Instant now) {
  Arp arp;
  if (!parse_arp(frame, arp)) return drop(frame, Drop::arp_malformed);
  const bool for_us = is_local(Address::v4(arp.target_ip));
  // RFC 826: a request to us may add an entry for its sender; other packets only update one.
  neighbours_.learn(frame.port, Address::v4(arp.sender_ip), arp.sender_mac, now, *this,
                    for_us && arp.op == wire::arp_request);
  siblings_.heard(frame.port, Address::v4(arp.sender_ip), arp.sender_mac, now);
  if (arp.op != wire::arp_request || (frame.flags & for_learning) != 0) return recycle(frame);
  if (!for_us) return drop(frame, Drop::arp_not_for_us);
  Arp reply;
  reply.op = wire::arp_reply;
  reply.sender_mac = interfaces_[frame.port].mac;
  reply.sender_ip = arp.target_ip;
  reply.target_mac = arp.sender_mac;
  reply.target_ip = arp.sender_ip;
  Frame out = frame;
  emit_arp(out, reply, arp.sender_mac);
  stage(out);
}

}  // namespace salut::ip
