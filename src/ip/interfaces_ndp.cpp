// The part of Interfaces that does neighbour discovery: RFC 4861 §7.2 for a host with configured
// addresses.
#include "ip/interfaces.hpp"
#include "ip/ndp.hpp"

namespace salut::ip {

void Interfaces::solicit_neighbour(std::uint16_t port, const Address& target, const Mac* unicast) {
  const Address source = source_for(port, target);
  if (source.is_v4()) return;  // no address of this family on the port
  Frame frame;
  if (!acquire(frame)) return;
  Ndp ndp;
  ndp.mac = interfaces_[port].mac;
  ndp.source = source;
  ndp.target = target;
  ndp.destination = unicast != nullptr ? target : solicited_node(target);
  emit_ndp(frame, ndp, unicast != nullptr ? *unicast : multicast_mac(ndp.destination));
  frame.port = port;
  stage(frame);
}

void Interfaces::on_ndp(const Frame& frame, const wire::Segment& icmp, Instant now) {
  Ndp ndp;
  if (!parse_ndp(frame, icmp, ndp)) return drop(frame, Drop::ndp_malformed);
  if (ndp.advertisement) {
    if (ndp.has_mac) siblings_.heard(frame.port, ndp.target, ndp.mac, now);
    on_advertisement(frame.port, ndp, now);
    return recycle(frame);
  }
  const bool for_us = is_local(ndp.target);
  // A station that asks for us will talk to us next, and may get an entry; other solicitations only
  // update one, as with ARP.
  if (ndp.has_mac) {
    neighbours_.learn(frame.port, ndp.source, ndp.mac, now, *this, for_us);
    siblings_.heard(frame.port, ndp.source, ndp.mac, now);
  }
  if ((frame.flags & for_learning) != 0) return recycle(frame);
  if (!for_us) return drop(frame, Drop::ndp_not_for_us);
  Mac asker = ndp.mac;
  if (!ndp.has_mac) asker = wire::view<wire::EthernetHeader>(frame.data).source;
  Ndp answer;
  answer.advertisement = true;
  answer.override = true;
  answer.mac = interfaces_[frame.port].mac;
  answer.source = ndp.target;
  answer.target = ndp.target;
  // A solicitation without a source tests whether the address is free: all must hear that it is
  // not.
  answer.solicited = !ndp.source.is_any();
  answer.destination = answer.solicited ? ndp.source : all_nodes();
  if (!answer.solicited) asker = multicast_mac(answer.destination);
  Frame out = frame;
  emit_ndp(out, answer, asker);
  stage(out);
}

// RFC 4861 §7.2.5: an advertisement updates an entry and never makes one.
void Interfaces::on_advertisement(std::uint16_t port, const Ndp& ndp, Instant now) {
  const std::uint16_t index = neighbours_.find(port, ndp.target);
  if (index == Neighbours::none) return;
  const bool known = neighbours_.resolved(index);
  if (!known && !ndp.has_mac) return;
  const Mac mac = ndp.has_mac ? ndp.mac : neighbours_.mac(index);
  // Without the override flag another MAC does not replace the one that is known.
  if (known && !ndp.override && mac != neighbours_.mac(index)) return;
  neighbours_.learn(port, ndp.target, mac, now, *this);
}

}  // namespace salut::ip
