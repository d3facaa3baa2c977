// The body of emit_tcp(), for emit.cpp and tcp/output.cpp. It is inlined into callers that have the
// fields in registers, where they then stay: a TcpOut that never leaves its function costs nothing.
#pragma once

#include <cassert>
#include <cstring>

#include "wire/checksum.hpp"
#include "wire/emit.hpp"

namespace salut::wire::detail {

// Copies the options and returns their sum. Nearly all segments have timestamps only: 12 bytes.
[[gnu::always_inline]] inline std::uint64_t put_options(std::byte* to,
                                                        std::span<const std::byte> options) {
  const std::size_t size = options.size();
  if (size == 12) [[likely]] {
    const auto first = load<std::uint32_t>(options.data());
    const auto rest = load<std::uint64_t>(options.data() + 4);
    store(to, first);
    store(to + 4, rest);
    return first + wire::halves(rest);
  }
  std::uint64_t total = 0;
  for (std::size_t at = 0; at < size; at += 4) {
    const auto word = load<std::uint32_t>(options.data() + at);
    store(to + at, word);
    total += word;
  }
  return total;
}

// Stores each address directly in its place. A header built on the stack first would be stored in
// pieces and loaded as a whole, which stalls.
[[gnu::always_inline]] inline void put_ethernet(std::byte* at, const TcpOut& out,
                                                std::uint16_t type) {
  std::memcpy(at + offsetof(EthernetHeader, destination), &out.dst_mac, sizeof(Mac));
  std::memcpy(at + offsetof(EthernetHeader, source), &out.src_mac, sizeof(Mac));
  store(at + offsetof(EthernetHeader, type), net16(type));
}

// Writes the TCP header and options; `pseudo` is the pseudo-header's sum. Words are built in
// registers and stored whole.
[[gnu::always_inline]] inline void put_tcp(std::byte* at, const TcpOut& out,
                                           std::size_t header_length, std::uint64_t pseudo) {
  const std::uint32_t ports = out.key.local_port | std::uint32_t{out.key.remote_port} << 16;
  const std::uint32_t seq_be = net32(out.seq);
  const std::uint32_t ack_be = net32(out.ack);
  const auto offset = static_cast<std::uint32_t>(header_length << 2);  // words, in the upper half
  const std::uint32_t rest =
      offset | std::uint32_t{out.flags} << 8 | std::uint32_t{net16(out.wnd)} << 16;
  store(at + offsetof(TcpHeader, source_port), ports);
  store(at + offsetof(TcpHeader, seq), seq_be);
  store(at + offsetof(TcpHeader, ack), ack_be);
  store(at + offsetof(TcpHeader, offset), rest);
  std::uint64_t total = pseudo + ports + seq_be + ack_be + rest;
  total += put_options(at + tcp_size, out.options);
  if (out.payload_length != 0 && !out.leave_sum) {
    total += sum(at + header_length, out.payload_length);
  }
  const std::uint16_t checksum = out.leave_sum ? fold(pseudo) : complement(total);
  store(at + offsetof(TcpHeader, checksum), std::uint32_t{checksum});  // and no urgent pointer
}

inline void emit_tcp_6(Frame& frame, const TcpOut& out) {
  const std::size_t header_length = tcp_size + out.options.size();
  const std::size_t length = header_length + out.payload_length;
  assert(frame.room >= tcp_at_6 + length);
  std::byte* data = frame.data;
  put_ethernet(data, out, ether_type_ipv6);
  const Address& source = out.ip6->local;
  const Address& destination = out.ip6->remote;
  const std::uint32_t first =
      6u << 28 | std::uint32_t{out.traffic_class} << 20 | (out.flow_label & 0xfffff);
  view<Ipv6Header>(data + ethernet_size) = Ipv6Header{
      net32(first), net16(static_cast<std::uint16_t>(length)), protocol_tcp, out.ttl, source,
      destination};
  const std::uint64_t pseudo = wire::halves(source.high) + wire::halves(source.low) +
                               wire::halves(destination.high) + wire::halves(destination.low) +
                               net32(static_cast<std::uint32_t>(length)) +
                               net32(std::uint32_t{protocol_tcp});
  put_tcp(data + tcp_at_6, out, header_length, pseudo);
  frame.length = static_cast<std::uint16_t>(tcp_at_6 + length);
}

[[gnu::always_inline]] inline void emit_tcp_4(Frame& frame, const TcpOut& out) {
  assert(out.options.size() % 4 == 0 && out.options.size() <= tcp_options_max);
  const std::size_t header_length = tcp_size + out.options.size();
  const std::size_t tcp_length = header_length + out.payload_length;
  const std::size_t total = ipv4_size + tcp_length;
  assert(frame.room >= ethernet_size + total);
  std::byte* data = frame.data;
  put_ethernet(data, out, ether_type_ipv4);

  const std::uint32_t source = out.key.local_addr;
  const std::uint32_t destination = out.key.remote_addr;
  const std::uint32_t first = ipv4_plain | std::uint32_t{out.traffic_class} << 8 |
                              std::uint32_t{net16(static_cast<std::uint16_t>(total))} << 16;
  // The ID is 0: with DF any value will do (RFC 6864 §4.1), and a counter would tell strangers how
  // much we send (idle scans).
  constexpr std::uint32_t second = std::uint32_t{net16(ipv4_dont_fragment)} << 16;
  const std::uint32_t third = out.ttl | std::uint32_t{protocol_tcp} << 8;
  const std::uint64_t addresses = std::uint64_t{source} + destination;
  const std::uint32_t checksum = complement(addresses + first + second + third);
  std::byte* ip = data + ethernet_size;
  store(ip, first);
  store(ip + offsetof(Ipv4Header, id), second);
  store(ip + offsetof(Ipv4Header, ttl), third | checksum << 16);
  store(ip + offsetof(Ipv4Header, source), std::uint64_t{destination} << 32 | source);

  put_tcp(data + tcp_at, out, header_length, pseudo_header_sum(source, destination, tcp_length));
  frame.length = static_cast<std::uint16_t>(ethernet_size + total);
}

}  // namespace salut::wire::detail
