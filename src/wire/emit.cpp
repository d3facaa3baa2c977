#include "wire/emit.hpp"

#include "wire/emit_parts.hpp"

namespace salut::wire {

FrameTemplate FrameTemplate::ip4(const Mac& source, std::uint8_t ttl) {
  FrameTemplate made;
  std::byte* ip = made.bytes_.data() + ethernet_size - sizeof(Mac);
  std::memcpy(made.bytes_.data(), &source, sizeof(Mac));
  store(ip - sizeof(std::uint16_t), net16(ether_type_ipv4));
  // The ID is 0: with DF any value will do (RFC 6864 §4.1), and a counter would tell strangers how
  // much we send (idle scans).
  const std::uint32_t id = std::uint32_t{net16(ipv4_dont_fragment)} << 16;
  const std::uint32_t protocol = ttl | std::uint32_t{protocol_tcp} << 8;
  store(ip + offsetof(Ipv4Header, id), id);
  store(ip + offsetof(Ipv4Header, ttl), protocol);
  made.sum_ = id + protocol;
  return made;
}

FrameTemplate FrameTemplate::ip6(const Mac& source, std::uint8_t hop_limit) {
  FrameTemplate made;
  std::byte* ip = made.bytes_.data() + ethernet_size - sizeof(Mac);
  std::memcpy(made.bytes_.data(), &source, sizeof(Mac));
  store(ip - sizeof(std::uint16_t), net16(ether_type_ipv6));
  store(ip + offsetof(Ipv6Header, next_header), std::uint8_t{protocol_tcp});
  store(ip + offsetof(Ipv6Header, hop_limit), hop_limit);
  return made;
}

void emit_tcp(Frame& frame, const TcpOut& out) {
  assert(out.options.size() % 4 == 0 && out.options.size() <= tcp_options_max);
  const detail::OptionSpan options{out.options};
  const detail::Inner inner{.words = detail::tcp_words(out.key, out.seq, out.ack, out.wnd,
                                                       out.flags, tcp_size + out.options.size()),
                            .payload_length = out.payload_length,
                            .traffic_class = out.traffic_class,
                            .leave_sum = out.leave_sum};
  const std::uint64_t to = as_word(out.dst_mac);
  std::size_t length = 0;
  if (out.ip6 != nullptr) {
    length = detail::put_6(frame.data, FrameTemplate::ip6(out.src_mac, out.ttl), to, *out.ip6,
                           out.flow_label, inner, options);
  } else {
    length = detail::put_4(frame.data, FrameTemplate::ip4(out.src_mac, out.ttl), to,
                           out.key.local_addr, out.key.remote_addr, inner, options);
  }
  assert(length <= frame.room);
  frame.length = static_cast<std::uint16_t>(length);
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
