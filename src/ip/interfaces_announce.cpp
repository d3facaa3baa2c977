// Announces our addresses on the link (RFC 5227 §2.3, RFC 4861 §7.2.6).
//
// After a station took over an address, or its link moved, it is behind another MAC or another
// port of the switch than its neighbours have in their caches, and they keep that for 35 to 45 s.
// A broadcast ARP request for our own address, or an unsolicited neighbour advertisement, corrects
// them at once. Each is sent twice, because a frame may be lost.
#include <algorithm>

#include "ip/arp.hpp"
#include "ip/interfaces.hpp"
#include "ip/ndp.hpp"

namespace salut::ip {

void Interfaces::announce(std::uint16_t port, Instant now) {
  Announcing& announcing = announce_[port];
  announcing_ += announcing.rounds == 0 ? 1 : 0;
  announcing = Announcing{announce_rounds, 0, now};
  for (const std::uint16_t index : gateways_) {
    if (neighbours_.port(index) == port) neighbours_.resolve(index, now, *this);
  }
}

// The nth address to announce. Of several workers only the first announces. Ranges that siblings
// share are not announced: a router reaches them through the address that each instance has for
// itself.
std::optional<Address> Interfaces::announced(std::uint16_t port, std::uint32_t nth) const {
  const Interface& interface = interfaces_[port];
  if (interface.steered_as != 0) return std::nullopt;
  if (nth < interface.addresses.size()) return Address::of(interface.addresses[nth].address);
  nth -= static_cast<std::uint32_t>(interface.addresses.size());
  if (!interface.siblings.empty() || nth >= announced_of_ranges) return std::nullopt;
  for (const AddressRange& range : interface.ranges) {
    if (nth < range.count) return Address::of(range.first.plus(nth));
    nth -= range.count;
  }
  return std::nullopt;
}

void Interfaces::announce_more(Instant now) {
  for (std::uint16_t port = 0; port < interfaces_.size(); ++port) {
    Announcing& announcing = announce_[port];
    if (announcing.rounds == 0 || announcing.at > now) continue;
    for (unsigned left = announce_burst; left > 0; --left) {
      const auto address = announced(port, announcing.next);
      if (address) {
        announce_address(port, *address);
        ++announcing.next;
        continue;
      }
      announcing.next = 0;
      announcing.at = now + announce_every;
      announcing_ -= --announcing.rounds == 0 ? 1 : 0;
      break;
    }
  }
}

void Interfaces::announce_address(std::uint16_t port, const Address& address) {
  Frame frame;
  if (!acquire(frame)) return;
  frame.port = port;
  if (address.is_v4()) {
    Arp arp;
    arp.sender_mac = interfaces_[port].mac;
    arp.sender_ip = arp.target_ip = address.v4();
    emit_arp(frame, arp, broadcast_mac);
  } else {
    Ndp ndp;
    ndp.advertisement = ndp.override = true;
    ndp.mac = interfaces_[port].mac;
    ndp.source = ndp.target = address;
    ndp.destination = all_nodes();
    emit_ndp(frame, ndp, multicast_mac(ndp.destination));
  }
  stage(frame);
}

}  // namespace salut::ip
