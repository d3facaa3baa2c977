// Reflects a frame: swaps its two MACs, its two addresses and its two ports, so that its sender
// receives it as if from the peer. A sum does not depend on the order of what it adds, so every
// checksum stays right.
//
// A packet that is not TCP or UDP is swapped as far as it is understood (ARP: the MACs only), as
// testpmd does in its mode 5tswap; so is a frame that is cut short.
//
// Cost: the first cache line of the frame, and the second for IPv6.
#pragma once

#include <algorithm>
#include <cstddef>

#include "wire/headers.hpp"

namespace salut::wire {

inline void reflect(std::byte* frame, std::size_t length) {
  const auto swap = [&](std::size_t at, std::size_t bytes) {
    std::swap_ranges(frame + at, frame + at + bytes, frame + at + bytes);
  };
  if (length < ethernet_size) return;
  swap(0, sizeof(Mac));
  std::size_t ip = ethernet_size;
  auto type = load<std::uint16_t>(frame + ip - 2);
  if (type == net16(ether_type_vlan) && length >= ip + vlan_size) {
    ip += vlan_size;
    type = load<std::uint16_t>(frame + ip - 2);
  }
  std::size_t ports = 0;
  unsigned protocol = 0;
  if (type == net16(ether_type_ipv4) && length >= ip + ipv4_size) {
    swap(ip + 12, 4);
    ports = ip + 4 * (static_cast<unsigned>(frame[ip]) & 15u);
    protocol = static_cast<unsigned>(frame[ip + 9]);
  } else if (type == net16(ether_type_ipv6) && length >= ip + ipv6_size) {
    swap(ip + 8, 16);
    ports = ip + ipv6_size;
    protocol = static_cast<unsigned>(frame[ip + 6]);
  }
  constexpr unsigned udp = 17;
  if ((protocol == protocol_tcp || protocol == udp) && length >= ports + 4) swap(ports, 2);
}

}  // namespace salut::wire
