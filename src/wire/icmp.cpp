#include "wire/icmp.hpp"

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

}  // namespace

bool make_echo_reply(Frame& frame) {
  if (!is_echo_request(frame)) return false;
  auto& ethernet = view<EthernetHeader>(frame.data);
  auto& ip = view<Ipv4Header>(frame.data + ethernet_size);
  auto& icmp = view<IcmpHeader>(frame.data + icmp_at);
  std::swap(ethernet.destination, ethernet.source);
  const std::uint32_t source = ip.source;
  ip.source = ip.destination;
  ip.destination = source;
  ip.ttl = 64;
  ip.checksum = 0;
  ip.checksum = complement(sum_20(frame.data + ethernet_size));
  const std::uint16_t before = load<std::uint16_t>(frame.data + icmp_at);  // type and code
  icmp.type = icmp_echo_reply;
  icmp.checksum = update_checksum(icmp.checksum, before, load<std::uint16_t>(frame.data + icmp_at));
  frame.length = static_cast<std::uint16_t>(ethernet_size + net16(ip.total_length));
  return true;
}

}  // namespace salut::wire
