#include "wire/parse.hpp"

#include "wire/checksum.hpp"
#include "wire/options.hpp"

namespace salut::wire {
namespace {

constexpr Parsed dropped(Drop reason) { return {Kind::drop, reason}; }

bool is_mac(const Mac& left, const Mac& right) {
  std::uint32_t head[2];
  std::uint16_t tail[2];
  std::memcpy(&head[0], left.bytes.data(), 4);
  std::memcpy(&head[1], right.bytes.data(), 4);
  std::memcpy(&tail[0], left.bytes.data() + 4, 2);
  std::memcpy(&tail[1], right.bytes.data() + 4, 2);
  return ((head[0] ^ head[1]) | (tail[0] ^ tail[1])) == 0;
}

// No options, or a SYN's MSS alone: both without a branch that depends on the packet, so that a
// burst of SYNs among ACKs does not mispredict. `header` is what stands in if there are none.
inline void fill_options(const std::byte* frame, const std::byte* header, Segment& out) {
  const bool any = out.options_length != 0;
  const auto word = load<std::uint32_t>(any ? frame + out.options_offset : header);
  const bool mss_alone = ((out.flags & syn) != 0) & (out.options_length == 4) &
                         ((word & 0xffff) == (option_mss | 4 << 8));
  out.mss = mss_alone ? net16(static_cast<std::uint16_t>(word >> 16)) : std::uint16_t{0};
  out.options = 0;
  out.sack_count = 0;
  if (any & !mss_alone) [[unlikely]] {
    const std::byte* options = frame + out.options_offset;
    if (out.options_length != 12 || word != timestamps_word) return parse_options(frame, out);
    out.options = option_has_timestamps;
    out.tsval = net32(load<std::uint32_t>(options + 4));
    out.tsecr = net32(load<std::uint32_t>(options + 8));
  }
}

// REQUIRES: a TCP header of header_length bytes within tcp_length bytes at `at`.
inline void fill_tcp(const Frame& frame, std::size_t ip_at, std::size_t at, std::size_t tcp_length,
                     std::size_t header_length, Segment& out) {
  const std::byte* data = frame.data;
  const auto& tcp = view<TcpHeader>(data + at);
  // Source and destination lie as remote and local do in a key. Copied as the words that a hash
  // will load: a load of eight bytes stored as four and four stalls.
  static_assert(offsetof(flow::Key, local_addr) == 4 && offsetof(flow::Key, remote_port) == 8);
  auto* key = reinterpret_cast<std::byte*>(&out.key);
  store(key, load<std::uint64_t>(data + ip_at + offsetof(Ipv4Header, source)));
  store(key + 8, load<std::uint32_t>(data + at));
  out.seq = net32(tcp.seq);
  out.ack = net32(tcp.ack);
  out.wnd = net16(tcp.window);
  out.flags = tcp.flags;
  out.port = static_cast<std::uint8_t>(frame.port);
  out.payload_offset = static_cast<std::uint16_t>(at + header_length);
  out.payload_length = static_cast<std::uint16_t>(tcp_length - header_length);
  out.options_offset = static_cast<std::uint16_t>(at + tcp_size);
  out.options_length = static_cast<std::uint8_t>(header_length - tcp_size);
  out.ip_offset = static_cast<std::uint8_t>(ip_at);
  out.traffic_class = view<Ipv4Header>(data + ip_at).tos;
  out.ip6 = false;
  fill_options(data, data + at, out);
}

// 0/8 and 127/8 never leave a host, 224/4 and the broadcast address never send.
bool is_bad_source(std::uint32_t source_be) {
  const std::uint32_t source = net32(source_be);
  const std::uint32_t first = source >> 24;
  return first == 0 || first == 127 || first >> 4 == 14 || source == 0xffffffff;
}

// The checked bounds of the packet inside an IPv4 header.
struct Inside {
  std::size_t ip_at = ethernet_size;
  std::size_t at = 0;      // of TCP or ICMP, in the frame
  std::size_t length = 0;  // of TCP or ICMP with its payload
};

Parsed parse_tcp(const Frame& frame, const ParseOptions& options, const Inside& inside,
                 Segment& out) {
  if (inside.length < tcp_size) return dropped(Drop::tcp_truncated);
  const std::byte* data = frame.data;
  const auto& tcp = view<TcpHeader>(data + inside.at);
  const std::size_t header_length = static_cast<std::size_t>(tcp.offset >> 4) * 4;
  if (header_length < tcp_size || header_length > inside.length) {
    return dropped(Drop::tcp_bad_offset);
  }
  if ((frame.flags & checksum_bad) != 0) return dropped(Drop::tcp_bad_checksum);
  if (options.verify_checksums && (frame.flags & l4_checksum_good) == 0) {
    const auto& ip = view<Ipv4Header>(data + inside.ip_at);
    if (tcp_checksum(ip.source, ip.destination, data + inside.at, inside.length) != 0) {
      return dropped(Drop::tcp_bad_checksum);
    }
  }
  if (tcp.source_port == 0 || tcp.destination_port == 0) return dropped(Drop::tcp_bad_port);
  fill_tcp(frame, inside.ip_at, inside.at, inside.length, header_length, out);
  return {Kind::tcp, Drop::none};
}

Parsed parse_icmp(const Frame& frame, const ParseOptions& options, const Inside& inside,
                  Segment& out) {
  if (inside.length < icmp_size) return dropped(Drop::icmp_malformed);
  if ((frame.flags & checksum_bad) != 0) return dropped(Drop::icmp_malformed);
  if (options.verify_checksums && (frame.flags & l4_checksum_good) == 0 &&
      internet_checksum(frame.data + inside.at, inside.length) != 0) {
    return dropped(Drop::icmp_malformed);
  }
  const std::byte* data = frame.data;
  const auto& ip = view<Ipv4Header>(data + inside.ip_at);
  out.key = flow::Key{ip.source, ip.destination, 0, 0};
  out.port = static_cast<std::uint8_t>(frame.port);
  out.payload_offset = static_cast<std::uint16_t>(inside.at);
  out.payload_length = static_cast<std::uint16_t>(inside.length);
  return {Kind::icmp, Drop::none};
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
  // A device that found a wrong checksum does not say which: if it is not this one, it is the next.
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

}  // namespace

[[gnu::noinline]] Parsed parse_step_by_step(const Frame& frame, const ParseOptions& options,
                                            Segment& out) {
  if ((frame.flags & scattered) != 0) return dropped(Drop::frame_scattered);
  if (frame.length < ethernet_size) return dropped(Drop::frame_too_short);
  const std::byte* data = frame.data;
  const auto& ethernet = view<EthernetHeader>(data);
  const bool ours = is_mac(ethernet.destination, options.mac);
  if (!ours && !ethernet.destination.is_group()) return dropped(Drop::ether_not_for_us);
  if (ethernet.type == net16(ether_type_arp)) {
    Arp arp;
    if (!parse_arp(frame, arp)) return dropped(Drop::arp_malformed);
    return {Kind::arp, Drop::none};
  }
  if (ethernet.type != net16(ether_type_ipv4)) return dropped(Drop::ether_type_unknown);
  // RFC 1122 §4.2.3.10: TCP is between two stations; a broadcast frame cannot carry it.
  if (!ours) return dropped(Drop::ether_not_for_us);
  return parse_ipv4(frame, options, out);
}

Parsed parse(const Frame& frame, const ParseOptions& options, Segment& out) {
  const std::byte* data = frame.data;
  if (frame.length < tcp_frame_min || (frame.flags & (scattered | checksum_bad)) != 0)
      [[unlikely]] {
    return parse_step_by_step(frame, options, out);
  }
  const auto& ethernet = view<EthernetHeader>(data);
  const auto& ip = view<Ipv4Header>(data + ethernet_size);
  const auto& tcp = view<TcpHeader>(data + tcp_at);
  const std::size_t total = net16(ip.total_length);
  const std::size_t tcp_length = total - ipv4_size;
  const std::size_t header_length = static_cast<std::size_t>(tcp.offset >> 4) * 4;
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
  fill_tcp(frame, ethernet_size, tcp_at, tcp_length, header_length, out);
  return {Kind::tcp, Drop::none};
}

}  // namespace salut::wire
