#include "wire/parse.hpp"

#include "wire/checksum.hpp"
#include "wire/parse_parts.hpp"
#include "wire/parse_vector.hpp"

namespace salut::wire {
namespace {

using detail::dropped;
using detail::Inside;

bool is_mac(const Mac& left, const Mac& right) {
  std::uint32_t head[2];
  std::uint16_t tail[2];
  std::memcpy(&head[0], left.bytes.data(), 4);
  std::memcpy(&head[1], right.bytes.data(), 4);
  std::memcpy(&tail[0], left.bytes.data() + 4, 2);
  std::memcpy(&tail[1], right.bytes.data() + 4, 2);
  return ((head[0] ^ head[1]) | (tail[0] ^ tail[1])) == 0;
}

// 0/8 and 127/8 never leave a host; 224/4 (multicast) and the broadcast address are no sender's.
bool is_bad_source(std::uint32_t source_be) {
  const std::uint32_t source = net32(source_be);
  const std::uint32_t first = source >> 24;
  return first == 0 || first == 127 || first >> 4 == 14 || source == 0xffffffff;
}

Parsed parse_tcp(const Frame& frame, const ParseOptions& options, const Inside& inside,
                 Segment& out) {
  const std::byte* tcp = frame.data + inside.at;
  const auto checksum = [&] {
    const auto& ip = view<Ipv4Header>(frame.data + inside.ip_at);
    return tcp_checksum(ip.source, ip.destination, tcp, inside.length);
  };
  const Drop why = detail::check_tcp(frame, options, inside, checksum);
  if (why != Drop::none) return dropped(why);
  detail::fill_tcp_4(frame, inside, length_of(view<TcpHeader>(tcp)), out);
  return {Kind::tcp, Drop::none};
}

Parsed parse_icmp(const Frame& frame, const ParseOptions& options, const Inside& inside,
                  Segment& out) {
  const auto checksum = [&] { return internet_checksum(frame.data + inside.at, inside.length); };
  return detail::take_icmp(frame, options, inside, false, checksum, out);
}

Parsed parse_ipv4(const Frame& frame, const ParseOptions& options, Segment& out) {
  const std::size_t room = frame.length - ethernet_size;
  if (room < ipv4_size) return dropped(Drop::ip_truncated);
  const std::byte* bytes = frame.data + ethernet_size;
  const auto& ip = view<Ipv4Header>(bytes);
  const std::size_t header_length = static_cast<std::size_t>(ip.version_ihl & 15) * 4;
  const std::size_t total = net16(ip.total_length);
  if (ip.version_ihl >> 4 != 4 || header_length < ipv4_size || total < header_length) {
    return dropped(Drop::ip_bad_header);
  }
  if (total > room) return dropped(Drop::ip_truncated);
  // A device that found a wrong checksum does not say which: if it is not the IP header's, it is
  // that of TCP or ICMP.
  const bool doubted = (frame.flags & checksum_bad) != 0;
  const bool unverified = options.verify_checksums && (frame.flags & ip_checksum_good) == 0;
  if ((doubted || unverified) && internet_checksum(bytes, header_length) != 0) {
    return dropped(Drop::ip_bad_checksum);
  }
  if (is_bad_source(ip.source)) return dropped(Drop::ip_bad_source);
  if ((ip.fragment & net16(ipv4_fragment_mask)) != 0) return dropped(Drop::ip_fragment);
  const Inside inside{ethernet_size, ethernet_size + header_length, total - header_length};
  if (ip.protocol == protocol_tcp) return parse_tcp(frame, options, inside, out);
  if (ip.protocol == protocol_icmp) return parse_icmp(frame, options, inside, out);
  return dropped(Drop::ip_protocol_unknown);
}

// The fast path of IPv6. REQUIRES: frame.length >= tcp_frame_min.
Parsed parse_words_6(const Frame& frame, const ParseOptions& options, Segment& out) {
  const std::byte* data = frame.data;
  if (frame.length < tcp_frame_min_6) [[unlikely]]
    return parse_step_by_step(frame, options, out);
  const auto& ip = view<Ipv6Header>(data + ethernet_size);
  const auto& tcp = view<TcpHeader>(data + tcp_at_6);
  const std::size_t length = net16(ip.payload_length);
  const std::size_t header_length = length_of(tcp);
  const Address source = ip.source;
  bool off = !is_mac(view<EthernetHeader>(data).destination, options.mac);
  off |= (ip.version_class_label & 0xf0) != 0x60;
  off |= ip.next_header != protocol_tcp;
  off |= length < tcp_size;
  off |= length > frame.length - tcp_at_6;
  off |= source.is_multicast();
  off |= source.high == 0;  // unspecified, loopback, mapped, and others that no host has
  off |= header_length < tcp_size;
  off |= header_length > length;
  off |= (tcp.source_port == 0) | (tcp.destination_port == 0);
  if (off) [[unlikely]]
    return parse_step_by_step(frame, options, out);
  if (options.verify_checksums && (frame.flags & l4_checksum_good) == 0 &&
      checksum_6(data + ethernet_size + offsetof(Ipv6Header, source), protocol_tcp, data + tcp_at_6,
                 length) != 0) [[unlikely]] {
    return parse_step_by_step(frame, options, out);
  }
  detail::fill_tcp_6(frame, *options.fold, {ethernet_size, tcp_at_6, length}, header_length, out);
  return {Kind::tcp, Drop::none};
}

}  // namespace

[[gnu::noinline]] Parsed parse_step_by_step(const Frame& frame, const ParseOptions& options,
                                            Segment& out) {
  if ((frame.flags & scattered) != 0) return dropped(Drop::frame_scattered);
  if (frame.length < ethernet_size) return dropped(Drop::frame_too_short);
  const std::byte* data = frame.data;
  const auto& ethernet = view<EthernetHeader>(data);
  const bool ours = is_mac(ethernet.destination, options.mac);
  if (!ours && !ethernet.destination.is_group()) return dropped(Drop::ether_not_for_us);
  if (ethernet.type == net16(ether_type_arp)) return {Kind::arp, Drop::none};
  if (ethernet.type == net16(ether_type_ipv6)) {
    // RFC 2464 §7: a multicast address has a MAC of its own; IPv6 is never broadcast.
    const Mac& to = ethernet.destination;
    if (!ours && (to.bytes[0] != 0x33 || to.bytes[1] != 0x33)) {
      return dropped(Drop::ether_not_for_us);
    }
    return detail::parse_ipv6(frame, options, ours, out);
  }
  if (ethernet.type != net16(ether_type_ipv4)) return dropped(Drop::ether_type_unknown);
  // RFC 1122 §4.2.3.10: TCP is between two stations; a broadcast frame cannot carry it.
  if (!ours) return dropped(Drop::ether_not_for_us);
  return parse_ipv4(frame, options, out);
}

namespace {

// The fast path word by word. Not inlined: parse() is short where vectors do the work.
[[gnu::noinline]] Parsed parse_words(const Frame& frame, const ParseOptions& options,
                                     Segment& out) {
  const std::byte* data = frame.data;
  if (frame.length < tcp_frame_min || (frame.flags & (scattered | checksum_bad)) != 0)
      [[unlikely]] {
    return parse_step_by_step(frame, options, out);
  }
  const auto& ethernet = view<EthernetHeader>(data);
  if (ethernet.type == net16(ether_type_ipv6)) return parse_words_6(frame, options, out);
  const auto& ip = view<Ipv4Header>(data + ethernet_size);
  const auto& tcp = view<TcpHeader>(data + tcp_at);
  const std::size_t total = net16(ip.total_length);
  const std::size_t tcp_length = total - ipv4_size;
  const std::size_t header_length = length_of(tcp);
  const std::uint32_t first = ip.source & 0xff;
  bool off = !is_mac(ethernet.destination, options.mac);
  off |= ethernet.type != net16(ether_type_ipv4);
  off |= ip.version_ihl != ipv4_plain;
  off |= ip.protocol != protocol_tcp;
  off |= (ip.fragment & net16(ipv4_fragment_mask)) != 0;
  off |= total < ipv4_size + tcp_size;
  off |= total > frame.length - ethernet_size;
  off |= (first == 0) | (first == 127) | (first >= 224);
  off |= header_length < tcp_size;
  off |= header_length > tcp_length;
  off |= (tcp.source_port == 0) | (tcp.destination_port == 0);
  if (off) [[unlikely]]
    return parse_step_by_step(frame, options, out);

  std::uint16_t wrong = 0;
  if (options.verify_checksums) {
    if ((frame.flags & ip_checksum_good) == 0) wrong |= complement(sum_20(data + ethernet_size));
    if ((frame.flags & l4_checksum_good) == 0) {
      wrong |= tcp_checksum(ip.source, ip.destination, data + tcp_at, tcp_length);
    }
  }
  if (wrong != 0) [[unlikely]]
    return parse_step_by_step(frame, options, out);
  detail::fill_tcp_4(frame, {ethernet_size, tcp_at, tcp_length}, header_length, out);
  return {Kind::tcp, Drop::none};
}

}  // namespace

#ifdef __AVX2__
namespace {
[[gnu::noinline]] Parsed parse_6(const Frame& frame, const ParseOptions& options, Segment& out) {
  if (detail::parse_vector_6(frame, options, out)) [[likely]]
    return {Kind::tcp, Drop::none};
  return parse_words(frame, options, out);
}
}  // namespace
#endif

Parsed parse(const Frame& frame, const ParseOptions& options, Segment& out) {
#ifdef __AVX2__
  constexpr unsigned understood = ip_checksum_good | l4_checksum_good | for_learning;
  const bool able = frame.length >= tcp_frame_min && frame.room >= detail::reach &&
                    (frame.flags & ~understood) == 0;
  if (able) [[likely]] {
    if (view<EthernetHeader>(frame.data).type == net16(ether_type_ipv6))
      return parse_6(frame, options, out);
    if (detail::parse_vector_4(frame, options, out)) [[likely]]
      return {Kind::tcp, Drop::none};
  }
#endif
  return parse_words(frame, options, out);
}

}  // namespace salut::wire
