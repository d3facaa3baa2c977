#include "wire/classify.hpp"

#include "wire/headers.hpp"

namespace salut::wire {
namespace {

constexpr std::uint8_t next_hop_by_hop = 0;
constexpr std::uint8_t next_routing = 43;
constexpr std::uint8_t next_fragment = 44;
constexpr std::uint8_t next_destination = 60;
constexpr unsigned extensions_max = 8;  // as in parse()

// The bytes of a frame that are not read yet.
struct Rest {
  const std::byte* at;
  std::size_t length;
  bool skip(std::size_t bytes) {
    if (length < bytes) return false;
    at += bytes;
    length -= bytes;
    return true;
  }
};

// Source and destination port, which are the first bytes of TCP.
bool take_ports(const Rest& tcp, flow::Ends& ends) {
  if (tcp.length < 4) return false;
  ends.remote_port = load<std::uint16_t>(tcp.at);
  ends.local_port = load<std::uint16_t>(tcp.at + 2);
  return true;
}

void turn_round(flow::Ends& ends) {
  std::swap(ends.remote, ends.local);
  std::swap(ends.remote_port, ends.local_port);
}

// The length of the packet as its IP header says; 0 if there is no whole header.
std::size_t promised_length(const Rest& rest, bool ip6) {
  if (rest.length < (ip6 ? ipv6_size : ipv4_size)) return 0;
  return ip6 ? ipv6_size + net16(view<Ipv6Header>(rest.at).payload_length)
             : net16(view<Ipv4Header>(rest.at).total_length);
}

// Reads the addresses of an IPv4 packet and skips its header. Returns its protocol; 0 if the header
// is wrong or the packet is a fragment.
std::uint8_t into_v4(Rest& rest, flow::Ends& ends) {
  if (rest.length < ipv4_size) return 0;
  const auto& ip = view<Ipv4Header>(rest.at);
  const std::size_t header = (ip.version_ihl & 0x0fu) * 4u;
  const bool wrong = ip.version_ihl >> 4 != 4 || header < ipv4_size;
  if (wrong || (ip.fragment & net16(ipv4_fragment_mask)) != 0) return 0;
  ends.remote = Address::v4(ip.source);
  ends.local = Address::v4(ip.destination);
  const std::uint8_t protocol = ip.protocol;
  return rest.skip(header) ? protocol : std::uint8_t{0};
}

// The same for an IPv6 packet. Sets `odd` if there are extension headers.
std::uint8_t into_v6(Rest& rest, flow::Ends& ends, bool& odd) {
  if (rest.length < ipv6_size) return 0;
  const auto& ip = view<Ipv6Header>(rest.at);
  if ((ip.version_class_label & 0xf0) != 0x60) return 0;
  ends.remote = ip.source;
  ends.local = ip.destination;
  std::uint8_t next = ip.next_header;
  rest.skip(ipv6_size);
  for (unsigned i = 0; i <= extensions_max; ++i) {
    const bool fragment = next == next_fragment;
    if (next != next_hop_by_hop && next != next_routing && next != next_destination && !fragment) {
      return next;
    }
    odd = true;
    if (rest.length < 8) return 0;
    constexpr std::uint16_t offset_and_more = 0xfff9;
    if (fragment && (load<std::uint16_t>(rest.at + 2) & net16(offset_and_more)) != 0) return 0;
    const auto length = static_cast<std::uint8_t>(rest.at[1]);
    next = static_cast<std::uint8_t>(rest.at[0]);
    if (!rest.skip(fragment ? 8u : 8u + length * 8u)) return 0;
  }
  return 0;
}

bool is_error_v4(std::uint8_t type) {
  return type == icmp_unreachable || type == icmp_time_exceeded || type == icmp_parameter_problem;
}

bool is_error_v6(std::uint8_t type) {
  return type >= icmp6_unreachable && type <= icmp6_parameter_problem;
}

// The flow of the packet that an ICMP error quotes.
Recipient quoted_flow(Rest rest, bool ip6, flow::Ends& ends) {
  bool odd = true;
  if (!rest.skip(icmp_size)) return Recipient::here;
  const std::uint8_t protocol = ip6 ? into_v6(rest, ends, odd) : into_v4(rest, ends);
  if (protocol != protocol_tcp || !take_ports(rest, ends)) return Recipient::here;
  turn_round(ends);
  return Recipient::odd_flow;
}

}  // namespace

Recipient classify(const Frame& frame, flow::Ends& ends) {
  Rest rest{frame.data, frame.length};
  if (rest.length < ethernet_size) return Recipient::here;
  std::uint16_t type = view<EthernetHeader>(rest.at).type;
  rest.skip(ethernet_size);
  if (type == net16(ether_type_vlan)) {
    if (rest.length < vlan_size) return Recipient::here;
    type = load<std::uint16_t>(rest.at + 2);
    rest.skip(vlan_size);
  }
  if (type == net16(ether_type_arp)) return Recipient::everyone;
  const bool ip6 = type == net16(ether_type_ipv6);
  if (!ip6 && type != net16(ether_type_ipv4)) return Recipient::here;
  bool odd = false;
  const std::size_t all = rest.length;
  const std::size_t promised = promised_length(rest, ip6);
  const std::uint8_t hops =
      ip6 && rest.length >= ipv6_size ? view<Ipv6Header>(rest.at).hop_limit : std::uint8_t{0};
  const std::uint8_t protocol = ip6 ? into_v6(rest, ends, odd) : into_v4(rest, ends);
  if (protocol == protocol_tcp) {
    if (!take_ports(rest, ends)) return Recipient::here;
    // If the TCP header is not whole, a card may not have hashed its ports.
    const std::size_t headers = all - rest.length;
    odd |= promised > all || promised < headers + tcp_size;
    return odd ? Recipient::odd_flow : Recipient::flow;
  }
  if (protocol != (ip6 ? protocol_icmp6 : protocol_icmp) || rest.length == 0)
    return Recipient::here;
  const auto message = static_cast<std::uint8_t>(rest.at[0]);
  if (ip6 && (message == icmp6_advertisement || message == icmp6_solicitation)) {
    // Each worker would get a copy. A packet from beyond the link is not worth it: with another hop
    // limit it is dropped in any case.
    return hops == ndp_hop_limit ? Recipient::everyone : Recipient::here;
  }
  if (ip6 ? is_error_v6(message) : is_error_v4(message)) return quoted_flow(rest, ip6, ends);
  return Recipient::here;
}

}  // namespace salut::wire
