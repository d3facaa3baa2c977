#include "ip/ndp.hpp"

#include <cassert>

#include "wire/checksum.hpp"

namespace salut::ip {
namespace {

constexpr std::uint8_t option_source_mac = 1;
constexpr std::uint8_t option_target_mac = 2;
constexpr std::uint32_t flag_solicited = 0x40000000;
constexpr std::uint32_t flag_override = 0x20000000;

// Walks the options and takes the MAC of the first one of `kind`. False: one has length 0 or runs
// past the end.
bool read_options(const std::byte* at, std::size_t size, std::uint8_t kind, Ndp& out) {
  while (size > 0) {
    if (size < 8) return false;
    const std::size_t length = std::size_t{8} * std::to_integer<std::uint8_t>(at[1]);
    if (length == 0 || length > size) return false;
    if (std::to_integer<std::uint8_t>(at[0]) == kind && length == 8 && !out.has_mac) {
      out.has_mac = true;
      std::memcpy(out.mac.bytes.data(), at + 2, out.mac.bytes.size());
    }
    at += length;
    size -= length;
  }
  return true;
}

// The checks of RFC 4861 §7.1.1 that are for solicitations only.
bool is_good_solicitation(const Ndp& ndp) {
  if (!ndp.source.is_any()) return true;
  return ndp.destination == solicited_node(ndp.target) && !ndp.has_mac;
}

// The checks of RFC 4861 §7.1.2 that are for advertisements only.
bool is_good_advertisement(const Ndp& ndp) {
  return !ndp.source.is_any() && !(ndp.solicited && ndp.destination.is_multicast());
}

}  // namespace

Address solicited_node(const Address& address) {
  const std::uint64_t tail = address.low >> 40 << 40;  // its last three bytes
  return Address{0x02ff, tail | std::uint64_t{0xff} << 32 | std::uint64_t{1} << 24};
}

Address all_nodes() { return Address{0x02ff, std::uint64_t{1} << 56}; }

bool is_ndp(const Frame& frame, const wire::Segment& icmp) {
  const auto type = std::to_integer<std::uint8_t>(frame.data[icmp.payload_offset]);
  return icmp.ip6 && (type == wire::icmp6_solicitation || type == wire::icmp6_advertisement);
}

bool parse_ndp(const Frame& frame, const wire::Segment& icmp, Ndp& out) {
  if (!is_ndp(frame, icmp) || icmp.payload_length < sizeof(wire::NdpHeader)) return false;
  const auto& ip = wire::view<wire::Ipv6Header>(frame.data + icmp.ip_offset);
  const auto& header = wire::view<wire::NdpHeader>(frame.data + icmp.payload_offset);
  if (ip.hop_limit != wire::ndp_hop_limit || header.code != 0) return false;
  const std::uint32_t flags = net32(header.flags);
  Ndp ndp;
  ndp.advertisement = header.type == wire::icmp6_advertisement;
  ndp.solicited = ndp.advertisement && (flags & flag_solicited) != 0;
  ndp.override = ndp.advertisement && (flags & flag_override) != 0;
  ndp.source = ip.source;
  ndp.destination = ip.destination;
  ndp.target = header.target;
  // A mapped target would overwrite an entry that ARP has learned.
  if (ndp.target.is_multicast() || ndp.target.is_any() || ndp.target.is_v4()) return false;
  const std::uint8_t kind = ndp.advertisement ? option_target_mac : option_source_mac;
  if (!read_options(frame.data + icmp.payload_offset + sizeof(wire::NdpHeader),
                    icmp.payload_length - sizeof(wire::NdpHeader), kind, ndp)) {
    return false;
  }
  if (ndp.has_mac && !ndp.mac.is_station()) return false;
  if (!(ndp.advertisement ? is_good_advertisement(ndp) : is_good_solicitation(ndp))) return false;
  out = ndp;
  return true;
}

void emit_ndp(Frame& frame, const Ndp& ndp, const Mac& ethernet_destination) {
  assert(frame.room >= ndp_frame_size);
  constexpr std::size_t at = wire::ethernet_size + wire::ipv6_size;
  constexpr std::size_t length = sizeof(wire::NdpHeader) + 8;
  std::byte* data = frame.data;
  wire::view<wire::EthernetHeader>(data) =
      wire::EthernetHeader{ethernet_destination, ndp.mac, net16(wire::ether_type_ipv6)};
  wire::view<wire::Ipv6Header>(data + wire::ethernet_size) =
      wire::Ipv6Header{net32(6u << 28),      net16(std::uint16_t{length}),
                       wire::protocol_icmp6, wire::ndp_hop_limit,
                       ndp.source,           ndp.destination};
  const std::uint32_t flags =
      (ndp.solicited ? flag_solicited : 0) | (ndp.override ? flag_override : 0);
  wire::view<wire::NdpHeader>(data + at) =
      wire::NdpHeader{ndp.advertisement ? wire::icmp6_advertisement : wire::icmp6_solicitation, 0,
                      0, net32(flags), ndp.target};
  std::byte* option = data + at + sizeof(wire::NdpHeader);
  option[0] = std::byte{ndp.advertisement ? option_target_mac : option_source_mac};
  option[1] = std::byte{1};
  std::memcpy(option + 2, ndp.mac.bytes.data(), ndp.mac.bytes.size());
  wire::view<wire::NdpHeader>(data + at).checksum =
      wire::checksum_6(data + wire::ethernet_size + offsetof(wire::Ipv6Header, source),
                       wire::protocol_icmp6, data + at, length);
  frame.length = ndp_frame_size;
}

}  // namespace salut::ip
