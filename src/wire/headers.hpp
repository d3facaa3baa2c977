// The headers of Ethernet, ARP, IPv4, IPv6, TCP and ICMP as they lie in a frame.
//
// A struct here is a view of the bytes of a frame: packed (it may be at any address), allowed to
// alias, every field of more than one byte in network order. REQUIRES: the length was checked
// before a field is read; parse.cpp has these checks.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/address.hpp"
#include "base/key.hpp"
#include "base/mac.hpp"
#include "salut/error.hpp"

namespace salut::wire {

// Checksums and options are read in words of the host; every CPU that we run on is little-endian.
static_assert(std::endian::native == std::endian::little);

struct [[gnu::packed, gnu::may_alias]] EthernetHeader {
  Mac destination;
  Mac source;
  std::uint16_t type;
};
static_assert(sizeof(EthernetHeader) == 14);

struct [[gnu::packed, gnu::may_alias]] ArpHeader {
  std::uint16_t hardware;
  std::uint16_t protocol;
  std::uint8_t hardware_length;
  std::uint8_t protocol_length;
  std::uint16_t op;
  Mac sender_mac;
  std::uint32_t sender_ip;
  Mac target_mac;
  std::uint32_t target_ip;
};
static_assert(sizeof(ArpHeader) == 28);

struct [[gnu::packed, gnu::may_alias]] Ipv4Header {
  std::uint8_t version_ihl;
  std::uint8_t tos;
  std::uint16_t total_length;
  std::uint16_t id;
  std::uint16_t fragment;  // reserved, DF, MF, 13 bits of offset
  std::uint8_t ttl;
  std::uint8_t protocol;
  std::uint16_t checksum;
  std::uint32_t source;
  std::uint32_t destination;
};
static_assert(sizeof(Ipv4Header) == 20);

struct [[gnu::packed, gnu::may_alias]] Ipv6Header {
  std::uint32_t version_class_label;  // 4, 8 and 20 bits
  std::uint16_t payload_length;       // with extension headers
  std::uint8_t next_header;
  std::uint8_t hop_limit;
  Address source;
  Address destination;
};
static_assert(sizeof(Ipv6Header) == 40);
// The hop limit of neighbour discovery (RFC 4861): a packet that passed a router has less.
inline constexpr std::uint8_t ndp_hop_limit = 255;

struct [[gnu::packed, gnu::may_alias]] TcpHeader {
  std::uint16_t source_port;
  std::uint16_t destination_port;
  std::uint32_t seq;
  std::uint32_t ack;
  std::uint8_t offset;  // header length in words, in the upper four bits
  std::uint8_t flags;
  std::uint16_t window;
  std::uint16_t checksum;
  std::uint16_t urgent;
};
static_assert(sizeof(TcpHeader) == 20);

struct [[gnu::packed, gnu::may_alias]] IcmpHeader {
  std::uint8_t type;
  std::uint8_t code;
  std::uint16_t checksum;
  std::uint16_t id;
  std::uint16_t sequence;
};
static_assert(sizeof(IcmpHeader) == 8);

// A neighbour solicitation or advertisement (RFC 4861 §4.3, §4.4), before its options.
struct [[gnu::packed, gnu::may_alias]] NdpHeader {
  std::uint8_t type;
  std::uint8_t code;
  std::uint16_t checksum;
  std::uint32_t flags;  // of an advertisement, in the upper three bits
  Address target;
};
static_assert(sizeof(NdpHeader) == 24);

inline constexpr std::size_t ethernet_size = sizeof(EthernetHeader);
inline constexpr std::size_t arp_size = sizeof(ArpHeader);
inline constexpr std::size_t ipv4_size = sizeof(Ipv4Header);  // without options
inline constexpr std::size_t ipv6_size = sizeof(Ipv6Header);  // without extension headers
inline constexpr std::size_t tcp_size = sizeof(TcpHeader);    // without options
// The header's length in bytes as it says itself, options included; not checked.
inline std::size_t length_of(const TcpHeader& tcp) {
  return static_cast<std::size_t>(tcp.offset >> 4) * 4;
}
inline constexpr std::size_t icmp_size = sizeof(IcmpHeader);
inline constexpr std::size_t tcp_options_max = 40;

// Where TCP begins in a frame that we send, and in nearly all that we receive.
inline constexpr std::size_t tcp_at = ethernet_size + ipv4_size;
inline constexpr std::size_t tcp_frame_min = tcp_at + tcp_size;
static_assert(tcp_frame_min == 54);
inline constexpr std::size_t tcp_at_6 = ethernet_size + ipv6_size;
inline constexpr std::size_t tcp_frame_min_6 = tcp_at_6 + tcp_size;
static_assert(tcp_frame_min_6 == 74);
inline constexpr std::size_t vlan_size = 4;  // of a tag, between the MACs and the type

// Host order, as the registries print them.
inline constexpr std::uint16_t ether_type_ipv4 = 0x0800;
inline constexpr std::uint16_t ether_type_arp = 0x0806;
inline constexpr std::uint16_t ether_type_vlan = 0x8100;
inline constexpr std::uint16_t ether_type_ipv6 = 0x86dd;
inline constexpr std::uint16_t arp_hardware_ethernet = 1;
inline constexpr std::uint16_t arp_request = 1;
inline constexpr std::uint16_t arp_reply = 2;
inline constexpr std::uint16_t ipv4_dont_fragment = 0x4000;
inline constexpr std::uint16_t ipv4_fragment_mask = 0x3fff;  // MF and the offset
inline constexpr std::uint8_t ipv4_plain = 0x45;             // version 4, no options
inline constexpr std::uint8_t protocol_icmp = 1;
inline constexpr std::uint8_t protocol_tcp = 6;
inline constexpr std::uint8_t protocol_icmp6 = 58;
inline constexpr std::uint8_t icmp_echo_reply = 0;
inline constexpr std::uint8_t icmp_unreachable = 3;
inline constexpr std::uint8_t icmp_echo_request = 8;
inline constexpr std::uint8_t icmp_time_exceeded = 11;
inline constexpr std::uint8_t icmp_parameter_problem = 12;
inline constexpr std::uint8_t icmp6_unreachable = 1;
inline constexpr std::uint8_t icmp6_too_big = 2;
inline constexpr std::uint8_t icmp6_time_exceeded = 3;
inline constexpr std::uint8_t icmp6_parameter_problem = 4;
inline constexpr std::uint8_t icmp6_echo_request = 128;
inline constexpr std::uint8_t icmp6_echo_reply = 129;
inline constexpr std::uint8_t icmp6_solicitation = 135;   // of a neighbour
inline constexpr std::uint8_t icmp6_advertisement = 136;  // of a neighbour
inline constexpr std::uint8_t option_end = 0;
inline constexpr std::uint8_t option_nop = 1;
inline constexpr std::uint8_t option_mss = 2;

// REQUIRES: sizeof(Header) bytes at `bytes`.
template <typename Header>
const Header& view(const std::byte* bytes) {
  return *reinterpret_cast<const Header*>(bytes);
}
template <typename Header>
Header& view(std::byte* bytes) {
  return *reinterpret_cast<Header*>(bytes);
}

// Loads a word from any address; no byte is swapped.
template <typename Word>
Word load(const std::byte* bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}
template <typename Word>
void store(std::byte* bytes, Word word) {
  std::memcpy(bytes, &word, sizeof(word));
}

}  // namespace salut::wire
