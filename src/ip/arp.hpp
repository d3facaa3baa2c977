// ARP (RFC 826), IPv4 over Ethernet only.
#pragma once

#include <cstdint>

#include "salut/frame.hpp"
#include "wire/headers.hpp"

namespace salut::ip {

struct Arp {
  std::uint16_t op = wire::arp_request;  // arp_request or arp_reply
  Mac sender_mac;
  std::uint32_t sender_ip = 0;  // network order; 0 in a probe (RFC 5227)
  std::uint32_t target_ip = 0;  // network order
  Mac target_mac;
};

inline constexpr std::uint16_t arp_frame_size = wire::ethernet_size + wire::arp_size;

// False, with `out` untouched, unless the frame is a whole request or reply with a unicast sender
// MAC: a cache that learned a group MAC would send our traffic to every station.
bool parse_arp(const Frame& frame, Arp& out);

// Overwrites the frame and sets its length; the Ethernet source is the sender's MAC.
// REQUIRES: frame.room >= arp_frame_size.
void emit_arp(Frame& frame, const Arp& arp, const Mac& ethernet_destination);

}  // namespace salut::ip
