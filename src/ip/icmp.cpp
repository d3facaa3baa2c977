#include "ip/icmp.hpp"

#include <algorithm>
#include <utility>

#include "wire/checksum.hpp"
#include "wire/headers.hpp"

namespace salut::ip {
namespace {

constexpr std::size_t icmp_at = wire::ethernet_size + wire::ipv4_size;

bool is_echo_request(const Frame& frame) {
  if (frame.length < icmp_at + wire::icmp_size) return false;
  const std::byte* data = frame.data;
  const auto& ip = wire::view<wire::Ipv4Header>(data + wire::ethernet_size);
  const auto& icmp = wire::view<wire::IcmpHeader>(data + icmp_at);
  const std::size_t total = net16(ip.total_length);
  return wire::view<wire::EthernetHeader>(data).type == net16(wire::ether_type_ipv4) &&
         ip.version_ihl == wire::ipv4_plain && total >= wire::ipv4_size + wire::icmp_size &&
         total <= frame.length - wire::ethernet_size &&
         (ip.fragment & net16(wire::ipv4_fragment_mask)) == 0 &&
         ip.protocol == wire::protocol_icmp && icmp.type == wire::icmp_echo_request &&
         icmp.code == 0;
}

bool is_echo_request_6(const Frame& frame) {
  constexpr std::size_t at = wire::ethernet_size + wire::ipv6_size;
  if (frame.length < at + wire::icmp_size) return false;
  const std::byte* data = frame.data;
  const auto& ip = wire::view<wire::Ipv6Header>(data + wire::ethernet_size);
  const auto& icmp = wire::view<wire::IcmpHeader>(data + at);
  const std::size_t length = net16(ip.payload_length);
  return wire::view<wire::EthernetHeader>(data).type == net16(wire::ether_type_ipv6) &&
         net32(ip.version_class_label) >> 28 == 6 && ip.next_header == wire::protocol_icmp6 &&
         length >= wire::icmp_size && length <= frame.length - at &&
         icmp.type == wire::icmp6_echo_request && icmp.code == 0;
}

// What the replies of both families have in common: MACs and addresses are swapped, which leaves
// every sum as it is, and the type changes.
template <class IpHeader>
IpHeader& turn_round(Frame& frame, std::uint8_t reply) {
  constexpr std::size_t at = wire::ethernet_size + sizeof(IpHeader);
  auto& ethernet = wire::view<wire::EthernetHeader>(frame.data);
  auto& ip = wire::view<IpHeader>(frame.data + wire::ethernet_size);
  auto& icmp = wire::view<wire::IcmpHeader>(frame.data + at);
  std::swap(ethernet.destination, ethernet.source);
  const auto source = ip.source;
  ip.source = ip.destination;
  ip.destination = source;
  const auto before = wire::load<std::uint16_t>(frame.data + at);  // type and code
  icmp.type = reply;
  icmp.checksum =
      wire::update_checksum(icmp.checksum, before, wire::load<std::uint16_t>(frame.data + at));
  return ip;
}

// Reads the kind of error, and the MTU. False: the message is no error.
bool classify(const Frame& frame, const wire::Segment& icmp, IcmpError& out) {
  using What = IcmpError::What;
  const std::byte* bytes = frame.data + icmp.payload_offset;
  const auto& header = wire::view<wire::IcmpHeader>(bytes);
  out.type = {header.type, header.code};
  const auto is = [&](unsigned type, unsigned code) {
    return header.type == type && header.code == code;
  };
  if (icmp.ip6) {
    if (header.type < wire::icmp6_unreachable || header.type > wire::icmp6_parameter_problem)
      return false;
    // No such port (4), prohibited (1, 5, 6); a next header that the host does not know.
    const bool hard = is(wire::icmp6_unreachable, 4) || is(wire::icmp6_unreachable, 1) ||
                      is(wire::icmp6_unreachable, 5) || is(wire::icmp6_unreachable, 6) ||
                      is(wire::icmp6_parameter_problem, 1);
    out.what = header.type == wire::icmp6_too_big ? What::too_big : hard ? What::hard : What::soft;
    out.mtu = net32(wire::load<std::uint32_t>(bytes + 4));
    return true;
  }
  if (header.type != wire::icmp_unreachable && header.type != wire::icmp_time_exceeded &&
      header.type != wire::icmp_parameter_problem) {
    return false;
  }
  const bool too_big = is(wire::icmp_unreachable, 4);
  // RFC 1122 §4.2.3.9: protocol (2) and port (3); prohibited (9, 10, 13) is as final.
  const bool hard = is(wire::icmp_unreachable, 2) || is(wire::icmp_unreachable, 3) ||
                    is(wire::icmp_unreachable, 9) || is(wire::icmp_unreachable, 10) ||
                    is(wire::icmp_unreachable, 13);
  out.what = too_big ? What::too_big : hard ? What::hard : What::soft;
  out.mtu = net16(wire::load<std::uint16_t>(bytes + 6));
  return true;
}

// Reads the quoted IP header. Returns where TCP begins behind it, or 0 if it is not TCP.
std::size_t quoted_ip(const std::byte* quoted, std::size_t size, const AddressFold& fold,
                      IcmpError& out) {
  if (!out.ip6) {
    if (size < wire::ipv4_size) return 0;
    const auto& ip = wire::view<wire::Ipv4Header>(quoted);
    const std::size_t header_length = static_cast<std::size_t>(ip.version_ihl & 15) * 4;
    if (ip.version_ihl >> 4 != 4 || header_length < wire::ipv4_size ||
        ip.protocol != wire::protocol_tcp || (ip.fragment & net16(0x1fff)) != 0) {
      return 0;
    }
    out.key.local_addr = ip.source;
    out.key.remote_addr = ip.destination;
    out.quoted_length = net16(ip.total_length);
    return header_length;
  }
  if (size < wire::ipv6_size) return 0;
  const auto& ip = wire::view<wire::Ipv6Header>(quoted);
  if (net32(ip.version_class_label) >> 28 != 6 || ip.next_header != wire::protocol_tcp) return 0;
  out.whole = AddressPair{ip.destination, ip.source};
  out.key = fold.key(out.whole, 0, 0);
  out.quoted_length = static_cast<std::uint16_t>(
      std::min<std::size_t>(net16(ip.payload_length) + wire::ipv6_size, 65'535));
  return wire::ipv6_size;
}

}  // namespace

bool parse_icmp_error(const Frame& frame, const wire::Segment& icmp, const AddressFold& fold,
                      IcmpError& out) {
  constexpr std::size_t needed = 8;  // of TCP: ports and sequence number
  IcmpError error;
  error.ip6 = icmp.ip6;
  if (icmp.payload_length < wire::icmp_size || !classify(frame, icmp, error)) return false;
  const std::byte* quoted = frame.data + icmp.payload_offset + wire::icmp_size;
  const std::size_t size = icmp.payload_length - wire::icmp_size;
  const std::size_t at = quoted_ip(quoted, size, fold, error);
  if (at == 0 || size < at + needed) return false;
  error.key.local_port = wire::load<std::uint16_t>(quoted + at);
  error.key.remote_port = wire::load<std::uint16_t>(quoted + at + 2);
  error.seq = net32(wire::load<std::uint32_t>(quoted + at + 4));
  out = error;
  return true;
}

bool make_echo_reply(Frame& frame) {
  constexpr std::uint8_t hops = 64;
  if (is_echo_request_6(frame)) {
    auto& ip = turn_round<wire::Ipv6Header>(frame, wire::icmp6_echo_reply);
    ip.hop_limit = hops;
    frame.length = static_cast<std::uint16_t>(wire::ethernet_size + wire::ipv6_size +
                                              net16(ip.payload_length));
    return true;
  }
  if (!is_echo_request(frame)) return false;
  auto& ip = turn_round<wire::Ipv4Header>(frame, wire::icmp_echo_reply);
  ip.ttl = hops;
  ip.checksum = 0;
  ip.checksum = wire::complement(wire::sum_20(frame.data + wire::ethernet_size));
  auto& icmp = wire::view<wire::IcmpHeader>(frame.data + icmp_at);
  // 0 and 0xffff are the same to a receiver, except for a message of zeros only (an echo reply's
  // type is 0): its sum is 0, and the complement of that is 0xffff.
  if (icmp.checksum == 0) icmp.checksum = 0xffff;
  frame.length = static_cast<std::uint16_t>(wire::ethernet_size + net16(ip.total_length));
  return true;
}

}  // namespace salut::ip
