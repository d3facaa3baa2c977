#include "wire/icmp.hpp"

#include <algorithm>
#include <utility>

#include "wire/checksum.hpp"
#include "wire/headers.hpp"

namespace salut::wire {
namespace {

constexpr std::size_t icmp_at = ethernet_size + ipv4_size;

bool is_echo_request(const Frame& frame) {
  if (frame.length < icmp_at + icmp_size) return false;
  const std::byte* data = frame.data;
  const auto& ip = view<Ipv4Header>(data + ethernet_size);
  const auto& icmp = view<IcmpHeader>(data + icmp_at);
  const std::size_t total = net16(ip.total_length);
  return view<EthernetHeader>(data).type == net16(ether_type_ipv4) &&
         ip.version_ihl == ipv4_plain && total >= ipv4_size + icmp_size &&
         total <= frame.length - ethernet_size && (ip.fragment & net16(ipv4_fragment_mask)) == 0 &&
         ip.protocol == protocol_icmp && icmp.type == icmp_echo_request && icmp.code == 0;
}

bool is_echo_request_6(const Frame& frame) {
  constexpr std::size_t at = ethernet_size + ipv6_size;
  if (frame.length < at + icmp_size) return false;
  const std::byte* data = frame.data;
  const auto& ip = view<Ipv6Header>(data + ethernet_size);
  const auto& icmp = view<IcmpHeader>(data + at);
  const std::size_t length = net16(ip.payload_length);
  return view<EthernetHeader>(data).type == net16(ether_type_ipv6) &&
         net32(ip.version_class_label) >> 28 == 6 && ip.next_header == protocol_icmp6 &&
         length >= icmp_size && length <= frame.length - at && icmp.type == icmp6_echo_request &&
         icmp.code == 0;
}

// What the replies of both families have in common: both pairs of addresses change places, over
// which no sum cares for the order, and the type is another.
template <class IpHeader>
IpHeader& turn_round(Frame& frame, std::uint8_t reply) {
  constexpr std::size_t at = ethernet_size + sizeof(IpHeader);
  auto& ethernet = view<EthernetHeader>(frame.data);
  auto& ip = view<IpHeader>(frame.data + ethernet_size);
  auto& icmp = view<IcmpHeader>(frame.data + at);
  std::swap(ethernet.destination, ethernet.source);
  const auto source = ip.source;
  ip.source = ip.destination;
  ip.destination = source;
  const auto before = load<std::uint16_t>(frame.data + at);  // type and code
  icmp.type = reply;
  icmp.checksum = update_checksum(icmp.checksum, before, load<std::uint16_t>(frame.data + at));
  return ip;
}

// What the message says, if it is an error; the MTU with it.
bool classify(const Frame& frame, const Segment& icmp, IcmpError& out) {
  using What = IcmpError::What;
  const std::byte* bytes = frame.data + icmp.payload_offset;
  const auto& header = view<IcmpHeader>(bytes);
  const auto is = [&](unsigned type, unsigned code) {
    return header.type == type && header.code == code;
  };
  if (icmp.ip6) {
    if (header.type < icmp6_unreachable || header.type > icmp6_parameter_problem) return false;
    // No such port (4), forbidden (1, 5, 6); a next header that nobody there knows.
    const bool hard = is(icmp6_unreachable, 4) || is(icmp6_unreachable, 1) ||
                      is(icmp6_unreachable, 5) || is(icmp6_unreachable, 6) ||
                      is(icmp6_parameter_problem, 1);
    out.what = header.type == icmp6_too_big ? What::too_big : hard ? What::hard : What::soft;
    out.mtu = net32(load<std::uint32_t>(bytes + 4));
    return true;
  }
  if (header.type != icmp_unreachable && header.type != icmp_time_exceeded &&
      header.type != icmp_parameter_problem) {
    return false;
  }
  const bool too_big = is(icmp_unreachable, 4);
  // RFC 1122 §4.2.3.9: protocol (2) and port (3); forbidden (9, 10, 13) are as final.
  const bool hard = is(icmp_unreachable, 2) || is(icmp_unreachable, 3) || is(icmp_unreachable, 9) ||
                    is(icmp_unreachable, 10) || is(icmp_unreachable, 13);
  out.what = too_big ? What::too_big : hard ? What::hard : What::soft;
  out.mtu = net16(load<std::uint16_t>(bytes + 6));
  return true;
}

// The quoted IP header; where TCP begins in it, or 0.
std::size_t quoted_ip(const std::byte* quoted, std::size_t size, const flow::AddressFold& fold,
                      IcmpError& out) {
  if (!out.ip6) {
    if (size < ipv4_size) return 0;
    const auto& ip = view<Ipv4Header>(quoted);
    const std::size_t header_length = static_cast<std::size_t>(ip.version_ihl & 15) * 4;
    if (ip.version_ihl >> 4 != 4 || header_length < ipv4_size || ip.protocol != protocol_tcp ||
        (ip.fragment & net16(0x1fff)) != 0) {
      return 0;
    }
    out.key.local_addr = ip.source;
    out.key.remote_addr = ip.destination;
    out.quoted_length = net16(ip.total_length);
    return header_length;
  }
  if (size < ipv6_size) return 0;
  const auto& ip = view<Ipv6Header>(quoted);
  if (net32(ip.version_class_label) >> 28 != 6 || ip.next_header != protocol_tcp) return 0;
  out.whole = flow::AddressPair{ip.destination, ip.source};
  out.key = fold.key(out.whole, 0, 0);
  out.quoted_length = static_cast<std::uint16_t>(
      std::min<std::size_t>(net16(ip.payload_length) + ipv6_size, 65'535));
  return ipv6_size;
}

}  // namespace

bool parse_icmp_error(const Frame& frame, const Segment& icmp, const flow::AddressFold& fold,
                      IcmpError& out) {
  constexpr std::size_t needed = 8;  // of TCP: ports and sequence number
  IcmpError error;
  error.ip6 = icmp.ip6;
  if (icmp.payload_length < icmp_size || !classify(frame, icmp, error)) return false;
  const std::byte* quoted = frame.data + icmp.payload_offset + icmp_size;
  const std::size_t size = icmp.payload_length - icmp_size;
  const std::size_t at = quoted_ip(quoted, size, fold, error);
  if (at == 0 || size < at + needed) return false;
  error.key.local_port = load<std::uint16_t>(quoted + at);
  error.key.remote_port = load<std::uint16_t>(quoted + at + 2);
  error.seq = net32(load<std::uint32_t>(quoted + at + 4));
  out = error;
  return true;
}

bool make_echo_reply(Frame& frame) {
  constexpr std::uint8_t hops = 64;
  if (is_echo_request_6(frame)) {
    auto& ip = turn_round<Ipv6Header>(frame, icmp6_echo_reply);
    ip.hop_limit = hops;
    frame.length = static_cast<std::uint16_t>(ethernet_size + ipv6_size + net16(ip.payload_length));
    return true;
  }
  if (!is_echo_request(frame)) return false;
  auto& ip = turn_round<Ipv4Header>(frame, icmp_echo_reply);
  ip.ttl = hops;
  ip.checksum = 0;
  ip.checksum = complement(sum_20(frame.data + ethernet_size));
  auto& icmp = view<IcmpHeader>(frame.data + icmp_at);
  // The two zeroes are the same to who verifies, unless all else is zero: then only this one holds.
  if (icmp.checksum == 0) icmp.checksum = 0xffff;
  frame.length = static_cast<std::uint16_t>(ethernet_size + net16(ip.total_length));
  return true;
}

}  // namespace salut::wire
