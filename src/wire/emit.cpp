#include "wire/emit.hpp"

#include <cassert>

#include "wire/checksum.hpp"

namespace salut::wire {
namespace {

// Copies the options and returns their sum. None or one word (MSS) is what nearly all segments
// have; both take the same instructions, so that SYNs among ACKs do not mispredict.
inline std::uint64_t put_options(std::byte* to, std::span<const std::byte> options) {
  static constexpr std::byte zero[4] = {};
  std::byte nowhere[4];
  const std::size_t size = options.size();
  const auto word = load<std::uint32_t>(size != 0 ? options.data() : zero);
  store(size != 0 ? to : nowhere, word);
  std::uint64_t total = word;
  for (std::size_t at = 4; at < size; at += 4) {
    const auto next = load<std::uint32_t>(options.data() + at);
    store(to + at, next);
    total += next;
  }
  return total;
}

// Each address at once to its place: a header that is put together on the stack first is stored in
// pieces and loaded as a whole, which stalls.
inline void put_ethernet(std::byte* at, const TcpOut& out, std::uint16_t type) {
  std::memcpy(at + offsetof(EthernetHeader, destination), &out.dst_mac, sizeof(Mac));
  std::memcpy(at + offsetof(EthernetHeader, source), &out.src_mac, sizeof(Mac));
  store(at + offsetof(EthernetHeader, type), net16(type));
}

// TCP behind the IP header, its checksum with the sum of the pseudo-header.
inline void put_tcp(std::byte* at, const TcpOut& out, std::size_t header_length,
                    std::uint64_t tcp_sum) {
  const std::uint64_t pseudo = tcp_sum;
  const std::uint32_t seq_be = net32(out.seq);
  const std::uint32_t ack_be = net32(out.ack);
  const std::uint16_t wnd_be = net16(out.wnd);
  const auto offset = static_cast<std::uint8_t>(header_length << 2);  // words, in the upper half
  tcp_sum += out.key.local_port;
  tcp_sum += out.key.remote_port;
  tcp_sum += std::uint64_t{seq_be} + ack_be + wnd_be;
  tcp_sum += static_cast<std::uint16_t>(offset | out.flags << 8);
  tcp_sum += put_options(at + tcp_size, out.options);
  if (out.payload_length != 0 && !out.leave_sum) {
    tcp_sum += sum(at + header_length, out.payload_length);
  }
  view<TcpHeader>(at) = TcpHeader{out.key.local_port,
                                  out.key.remote_port,
                                  seq_be,
                                  ack_be,
                                  offset,
                                  out.flags,
                                  wnd_be,
                                  out.leave_sum ? fold(pseudo) : complement(tcp_sum),
                                  0};
}

void emit_tcp_6(Frame& frame, const TcpOut& out, std::size_t header_length) {
  const std::size_t length = header_length + out.payload_length;
  assert(frame.room >= tcp_at_6 + length);
  std::byte* data = frame.data;
  put_ethernet(data, out, ether_type_ipv6);
  const flow::Address& source = out.ip6->local;
  const flow::Address& destination = out.ip6->remote;
  const std::uint32_t first =
      6u << 28 | std::uint32_t{out.traffic_class} << 20 | (out.flow_label & 0xfffff);
  view<Ipv6Header>(data + ethernet_size) = Ipv6Header{
      net32(first), net16(static_cast<std::uint16_t>(length)), protocol_tcp, out.ttl, source,
      destination};
  const std::uint64_t pseudo = halves(source.high) + halves(source.low) + halves(destination.high) +
                               halves(destination.low) + net32(static_cast<std::uint32_t>(length)) +
                               net32(std::uint32_t{protocol_tcp});
  put_tcp(data + tcp_at_6, out, header_length, pseudo);
  frame.length = static_cast<std::uint16_t>(tcp_at_6 + length);
}

}  // namespace

void emit_tcp(Frame& frame, const TcpOut& out) {
  assert(out.options.size() % 4 == 0 && out.options.size() <= tcp_options_max);
  const std::size_t header_length = tcp_size + out.options.size();
  if (out.ip6 != nullptr) return emit_tcp_6(frame, out, header_length);
  const std::size_t tcp_length = header_length + out.payload_length;
  const std::size_t total = ipv4_size + tcp_length;
  assert(frame.room >= ethernet_size + total);
  std::byte* data = frame.data;
  put_ethernet(data, out, ether_type_ipv4);

  const std::uint32_t source = out.key.local_addr;
  const std::uint32_t destination = out.key.remote_addr;
  const std::uint16_t total_be = net16(static_cast<std::uint16_t>(total));
  const std::uint16_t id_be = net16(out.ip_id);
  const auto ttl_protocol = static_cast<std::uint16_t>(out.ttl | protocol_tcp << 8);
  const std::uint32_t first = ipv4_plain | std::uint32_t{out.traffic_class} << 8;
  const std::uint64_t addresses = std::uint64_t{source} + destination;
  const std::uint16_t ip_checksum =
      complement(addresses + first + total_be + id_be + net16(ipv4_dont_fragment) + ttl_protocol);
  view<Ipv4Header>(data + ethernet_size) =
      Ipv4Header{ipv4_plain, out.traffic_class, total_be,    id_be,  net16(ipv4_dont_fragment),
                 out.ttl,    protocol_tcp,      ip_checksum, source, destination};

  put_tcp(data + tcp_at, out, header_length, pseudo_header_sum(source, destination, tcp_length));
  frame.length = static_cast<std::uint16_t>(ethernet_size + total);
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
