// What parse.cpp and parse_ipv6.cpp share; no other file includes it.
#pragma once

#include "wire/checksum.hpp"
#include "wire/options.hpp"
#include "wire/parse.hpp"

namespace salut::wire::detail {

constexpr Parsed dropped(Drop reason) { return {Kind::drop, reason}; }

// The checked bounds of the packet inside an IP header.
struct Inside {
  std::size_t ip_at = ethernet_size;
  std::size_t at = 0;      // of TCP or ICMP, in the frame
  std::size_t length = 0;  // of TCP or ICMP with its payload
};

// Checks TCP behind either IP header, step by step, as the fast path does at once. `checksum()` is
// 0 if the segment's checksum is right.
template <class Checksum>
Drop check_tcp(const Frame& frame, const ParseOptions& options, const Inside& inside,
               const Checksum& checksum) {
  if (inside.length < tcp_size) return Drop::tcp_truncated;
  const auto& tcp = view<TcpHeader>(frame.data + inside.at);
  const std::size_t header_length = length_of(tcp);
  if (header_length < tcp_size || header_length > inside.length) return Drop::tcp_bad_offset;
  if ((frame.flags & checksum_bad) != 0) return Drop::tcp_bad_checksum;
  if (options.verify_checksums && (frame.flags & l4_checksum_good) == 0 && checksum() != 0) {
    return Drop::tcp_bad_checksum;
  }
  if (tcp.source_port == 0 || tcp.destination_port == 0) return Drop::tcp_bad_port;
  return Drop::none;
}

// ICMP behind either IP header; each of its messages has four bytes behind the checksum.
template <class Checksum>
Parsed take_icmp(const Frame& frame, const ParseOptions& options, const Inside& inside, bool ip6,
                 const Checksum& checksum, Segment& out) {
  if (inside.length < icmp_size) return dropped(Drop::icmp_malformed);
  if ((frame.flags & checksum_bad) != 0) return dropped(Drop::icmp_malformed);
  if (options.verify_checksums && (frame.flags & l4_checksum_good) == 0 && checksum() != 0) {
    return dropped(Drop::icmp_malformed);
  }
  out.port = static_cast<std::uint8_t>(frame.port);
  out.ip_offset = static_cast<std::uint8_t>(inside.ip_at);
  out.ip6 = ip6;
  out.payload_offset = static_cast<std::uint16_t>(inside.at);
  out.payload_length = static_cast<std::uint16_t>(inside.length);
  return {Kind::icmp, Drop::none};
}

// No options, and a SYN's MSS alone, take no branch that depends on the packet, so that a burst of
// SYNs among ACKs does not mispredict. `header` is any readable word, loaded if there are no
// options.
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

// Fills in all but the key and what depends on the IP version.
inline void fill_tcp(const Frame& frame, const Inside& inside, std::size_t header_length,
                     Segment& out) {
  const std::byte* data = frame.data;
  const auto& tcp = view<TcpHeader>(data + inside.at);
  out.seq = net32(tcp.seq);
  out.ack = net32(tcp.ack);
  out.wnd = net16(tcp.window);
  out.flags = tcp.flags;
  out.port = static_cast<std::uint8_t>(frame.port);
  out.payload_offset = static_cast<std::uint16_t>(inside.at + header_length);
  out.payload_length = static_cast<std::uint16_t>(inside.length - header_length);
  out.options_offset = static_cast<std::uint16_t>(inside.at + tcp_size);
  out.options_length = static_cast<std::uint8_t>(header_length - tcp_size);
  out.ip_offset = static_cast<std::uint8_t>(inside.ip_at);
  fill_options(data, data + inside.at, out);
}

// REQUIRES, as fill_tcp_6() does: a TCP header of header_length bytes within `inside`.
inline void fill_tcp_4(const Frame& frame, const Inside& inside, std::size_t header_length,
                       Segment& out) {
  // Source and destination lie in the packet as remote and local do in a key. They are copied in
  // the words that the hash will load: a load of eight bytes that were stored as four and four
  // stalls.
  static_assert(offsetof(Key, local_addr) == 4 && offsetof(Key, remote_port) == 8);
  auto* key = reinterpret_cast<std::byte*>(&out.key);
  const std::byte* ip = frame.data + inside.ip_at;
  store(key, load<std::uint64_t>(ip + offsetof(Ipv4Header, source)));
  store(key + 8, load<std::uint32_t>(frame.data + inside.at));
  out.traffic_class = view<Ipv4Header>(ip).tos;
  out.ip6 = false;
  fill_tcp(frame, inside, header_length, out);
}

inline void fill_tcp_6(const Frame& frame, const AddressFold& fold, const Inside& inside,
                       std::size_t header_length, Segment& out) {
  auto* key = reinterpret_cast<std::byte*>(&out.key);
  const auto& ip = view<Ipv6Header>(frame.data + inside.ip_at);
  const Address source = ip.source;
  const Address destination = ip.destination;
  store(key, std::uint64_t{fold(destination)} << 32 | fold(source));
  store(key + 8, load<std::uint32_t>(frame.data + inside.at));
  out.traffic_class = static_cast<std::uint8_t>(net32(ip.version_class_label) >> 20);
  out.ip6 = true;
  fill_tcp(frame, inside, header_length, out);
}

// No host sends from these: multicast, loopback, mapped IPv4. The unspecified address passes here:
// duplicate address detection uses it, and parse_ipv6() refuses it for TCP.
inline bool is_bad_source_6(const Address& source) {
  constexpr std::uint64_t loopback_low = std::uint64_t{1} << 56;  // ::1 as it lies
  return source.is_multicast() || source.is_v4() ||
         (source.high == 0 && source.low == loopback_low);
}

Parsed parse_ipv6(const Frame& frame, const ParseOptions& options, bool unicast, Segment& out);

}  // namespace salut::wire::detail
