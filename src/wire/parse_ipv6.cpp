// IPv6 step by step: the header of RFC 8200 and its extension headers, up to TCP or ICMPv6.
#include "wire/parse_parts.hpp"

namespace salut::wire::detail {
namespace {

// Next header values.
constexpr std::uint8_t hop_by_hop = 0;
constexpr std::uint8_t routing = 43;
constexpr std::uint8_t fragment = 44;
constexpr std::uint8_t destination_options = 60;

// An honest packet has two or three headers. The limits bound what an attacker's packet costs.
constexpr unsigned headers_max = 8;
constexpr unsigned options_max = 32;  // in one header, padding included
constexpr std::size_t unit = 8;       // an extension header is one or more of these, in bytes

std::uint8_t byte_at(const std::byte* bytes, std::size_t at) {
  return std::to_integer<std::uint8_t>(bytes[at]);
}

// RFC 8200 §4.2: an option that we do not know is skipped only if its two upper bits are 0. So a
// jumbogram, whose length is in such an option, is refused. REQUIRES: `size` bytes.
bool may_skip_options(const std::byte* header, std::size_t size) {
  constexpr std::uint8_t pad_1 = 0;
  std::size_t at = 2;
  for (unsigned n = 0; at < size; ++n) {
    if (n == options_max) return false;
    const std::uint8_t type = byte_at(header, at);
    if (type == pad_1) {
      ++at;
      continue;
    }
    if (type >> 6 != 0 || size - at < 2) return false;
    const std::size_t length = std::size_t{2} + byte_at(header, at + 1);
    if (length > size - at) return false;
    at += length;
  }
  return true;
}

// A routing header may be skipped if it has no segments left and is not of type 0 (RFC 5095).
bool may_skip_routing(const std::byte* header) {
  return byte_at(header, 2) != 0 && byte_at(header, 3) == 0;
}

// Is it a real fragment: is an offset or "more fragments" set?
bool is_part(const std::byte* header) {
  return (load<std::uint16_t>(header + 2) & net16(0xfff9)) != 0;
}

// Steps over one extension header of type `next` at `at`. Drop::none: go on.
Drop skip(const std::byte* data, std::size_t end, std::size_t& at, std::uint8_t& next) {
  if (end - at < unit) return Drop::ip_bad_extension;
  const std::byte* header = data + at;
  // The length of a fragment header is fixed, and its second byte reserved.
  const std::size_t size = next == fragment ? unit : (std::size_t{1} + byte_at(header, 1)) * unit;
  if (size > end - at) return Drop::ip_bad_extension;
  if (next == fragment && is_part(header)) return Drop::ip_fragment;
  if (next == routing && !may_skip_routing(header)) return Drop::ip_bad_extension;
  const bool has_options = next == hop_by_hop || next == destination_options;
  if (has_options && !may_skip_options(header, size)) return Drop::ip_bad_extension;
  next = byte_at(header, 0);
  at += size;
  return Drop::none;
}

// As internet_checksum(), over the packet inside the IPv6 header.
std::uint16_t checksum_of(const Frame& frame, const Inside& inside, std::uint8_t protocol) {
  const std::byte* addresses = frame.data + inside.ip_at + offsetof(Ipv6Header, source);
  return checksum_6(addresses, protocol, frame.data + inside.at, inside.length);
}

Parsed parse_tcp_6(const Frame& frame, const ParseOptions& options, const Inside& inside,
                   Segment& out) {
  const auto checksum = [&] { return checksum_of(frame, inside, protocol_tcp); };
  const Drop why = check_tcp(frame, options, inside, checksum);
  if (why != Drop::none) return dropped(why);
  const auto& tcp = view<TcpHeader>(frame.data + inside.at);
  fill_tcp_6(frame, *options.fold, inside, length_of(tcp), out);
  return {Kind::tcp, Drop::none};
}

Parsed parse_icmp_6(const Frame& frame, const ParseOptions& options, const Inside& inside,
                    Segment& out) {
  const auto checksum = [&] { return checksum_of(frame, inside, protocol_icmp6); };
  return take_icmp(frame, options, inside, true, checksum, out);
}

}  // namespace

Parsed parse_ipv6(const Frame& frame, const ParseOptions& options, bool unicast, Segment& out) {
  const std::size_t room = frame.length - ethernet_size;
  if (room < ipv6_size) return dropped(Drop::ip_truncated);
  const auto& ip = view<Ipv6Header>(frame.data + ethernet_size);
  if (net32(ip.version_class_label) >> 28 != 6) return dropped(Drop::ip_bad_header);
  const std::size_t payload = net16(ip.payload_length);
  if (payload > room - ipv6_size) return dropped(Drop::ip_truncated);
  const Address source = ip.source;
  if (is_bad_source_6(source)) return dropped(Drop::ip_bad_source);

  std::size_t at = tcp_at_6;
  const std::size_t end = at + payload;
  std::uint8_t next = ip.next_header;
  for (unsigned n = 0; next != protocol_tcp && next != protocol_icmp6; ++n) {
    const bool known =
        next == hop_by_hop || next == routing || next == fragment || next == destination_options;
    if (!known) return dropped(Drop::ip_protocol_unknown);
    // Hop-by-hop options must come first.
    if (n == headers_max || (next == hop_by_hop && n != 0)) return dropped(Drop::ip_bad_extension);
    if (const Drop why = skip(frame.data, end, at, next); why != Drop::none) return dropped(why);
  }
  const Inside inside{ethernet_size, at, end - at};
  if (next == protocol_icmp6) return parse_icmp_6(frame, options, inside, out);
  if (!unicast) return dropped(Drop::ether_not_for_us);
  if (source.is_any()) return dropped(Drop::ip_bad_source);
  return parse_tcp_6(frame, options, inside, out);
}

}  // namespace salut::wire::detail
