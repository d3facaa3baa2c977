#include "ip/arp.hpp"

#include <cassert>

namespace salut::ip {

bool parse_arp(const Frame& frame, Arp& out) {
  if (frame.length < arp_frame_size) return false;
  const std::byte* data = frame.data;
  if (wire::view<wire::EthernetHeader>(data).type != net16(wire::ether_type_arp)) return false;
  const auto& arp = wire::view<wire::ArpHeader>(data + wire::ethernet_size);
  if (arp.hardware != net16(wire::arp_hardware_ethernet) ||
      arp.protocol != net16(wire::ether_type_ipv4) || arp.hardware_length != 6 ||
      arp.protocol_length != 4) {
    return false;
  }
  const std::uint16_t op = net16(arp.op);
  if (op != wire::arp_request && op != wire::arp_reply) return false;
  const Mac sender = arp.sender_mac;
  if (!sender.is_station()) return false;
  out = Arp{op, sender, arp.sender_ip, arp.target_ip, arp.target_mac};
  return true;
}

void emit_arp(Frame& frame, const Arp& arp, const Mac& ethernet_destination) {
  assert(frame.room >= arp_frame_size);
  wire::view<wire::EthernetHeader>(frame.data) =
      wire::EthernetHeader{ethernet_destination, arp.sender_mac, net16(wire::ether_type_arp)};
  wire::view<wire::ArpHeader>(frame.data + wire::ethernet_size) =
      wire::ArpHeader{net16(wire::arp_hardware_ethernet),
                      net16(wire::ether_type_ipv4),
                      6,
                      4,
                      net16(arp.op),
                      arp.sender_mac,
                      arp.sender_ip,
                      arp.target_mac,
                      arp.target_ip};
  frame.length = arp_frame_size;
}

}  // namespace salut::ip
