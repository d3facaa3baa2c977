#include "wire/emit.hpp"

#include "wire/emit_parts.hpp"

namespace salut::wire {

void emit_tcp(Frame& frame, const TcpOut& out) {
  out.ip6 != nullptr ? detail::emit_tcp_6(frame, out) : detail::emit_tcp_4(frame, out);
}

Layers layers_of(const std::byte* frame) {
  const auto type_before = [frame](std::size_t end) {
    return load<std::uint16_t>(frame + end - sizeof(std::uint16_t));
  };
  const bool tagged = type_before(ethernet_size) == net16(ether_type_vlan);
  const std::size_t l2 = ethernet_size + (tagged ? vlan_size : 0);
  const bool ip6 = type_before(l2) == net16(ether_type_ipv6);
  const std::size_t l3 = ip6 ? ipv6_size : ipv4_size;
  return {l2, l3, length_of(view<TcpHeader>(frame + l2 + l3)), ip6};
}

}  // namespace salut::wire
