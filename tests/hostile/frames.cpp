#include "frames.hpp"

#include <algorithm>
#include <cstring>

#include "wire/checksum.hpp"

namespace salut::hostile {
namespace {

constexpr std::size_t ethernet_size = 14;
constexpr std::uint16_t type_v4 = 0x0800, type_arp = 0x0806, type_v6 = 0x86dd;
constexpr std::uint8_t icmp4 = 1, tcp_protocol = 6, fragment_header = 44, icmp6 = 58;

void put16(std::byte* at, unsigned value) {
  at[0] = static_cast<std::byte>(value >> 8);
  at[1] = static_cast<std::byte>(value);
}
void put32(std::byte* at, std::uint32_t value) {
  put16(at, value >> 16);
  put16(at + 2, value & 0xffff);
}
unsigned get8(const std::byte* at) { return std::to_integer<unsigned>(*at); }
unsigned get16(const std::byte* at) { return get8(at) << 8 | get8(at + 1); }
std::uint32_t get32(const std::byte* at) {
  return static_cast<std::uint32_t>(get16(at)) << 16 | get16(at + 2);
}
void put_mac(std::byte* at, const Mac& mac) { std::memcpy(at, mac.bytes.data(), 6); }
// The 4 or 16 bytes that a header has of it.
void put_address(std::byte* at, const IpAddress& address) {
  if (address.is_v4()) return put32(at, address.v4());
  std::memcpy(at, address.bytes().data(), 16);
}
IpAddress get_v6(const std::byte* at) {
  IpAddress::Bytes bytes;
  std::memcpy(bytes.data(), at, bytes.size());
  return IpAddress::from_bytes(bytes);
}
std::size_t ip_size(const IpAddress& address) { return address.is_v4() ? 20 : 40; }

constexpr std::array<std::uint8_t, 20> all_options = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 1,
                                                      2, 3, 0,    0,    0, 0, 1, 3,  3, 7};

}  // namespace

void Writer::ethernet(const Link& link, std::uint16_t type) {
  put_mac(bytes_.data(), link.to);
  put_mac(bytes_.data() + 6, link.from);
  put16(bytes_.data() + 12, type);
}

std::byte* Writer::ip(const Link& link, const IpAddress& from, const IpAddress& to,
                      std::uint8_t protocol, std::size_t size, std::uint8_t hop_limit) {
  protocol_ = protocol;
  std::byte* const at = bytes_.data() + ethernet_size;
  const std::size_t header = ip_size(to);
  length_ = ethernet_size + header + size;
  ethernet(link, to.is_v4() ? type_v4 : type_v6);
  std::memset(at, 0, header);
  if (to.is_v4()) {
    at[0] = std::byte{0x45};
    put16(at + 2, static_cast<unsigned>(header + size));
    put16(at + 6, 0x4000);
    at[8] = std::byte{hop_limit};
    at[9] = std::byte{protocol};
    put_address(at + 12, from);
    put_address(at + 16, to);
    const std::uint16_t checksum = wire::internet_checksum(at, header);
    std::memcpy(at + 10, &checksum, 2);
  } else {
    at[0] = std::byte{0x60};
    put16(at + 4, static_cast<unsigned>(size));
    at[6] = std::byte{protocol};
    at[7] = std::byte{hop_limit};
    put_address(at + 8, from);
    put_address(at + 24, to);
  }
  return at + header;
}

void Writer::sum(std::byte* at, std::size_t size, std::size_t field) {
  const std::byte* const header = bytes_.data() + ethernet_size;
  put16(at + field, 0);
  std::uint16_t checksum;
  if (get8(header) >> 4 == 6) {
    checksum = wire::checksum_6(header + 8, protocol_, at, size);
  } else if (protocol_ == tcp_protocol) {
    std::uint32_t from, to;
    std::memcpy(&from, header + 12, 4);
    std::memcpy(&to, header + 16, 4);
    checksum = wire::tcp_checksum(from, to, at, size);
  } else {
    checksum = wire::internet_checksum(at, size);
  }
  std::memcpy(at + field, &checksum, 2);
}

Writer::Bytes Writer::tcp(const Link& link, const Tcp& s) {
  const std::size_t options = (s.flags & syn) == 0 ? 0 : s.options ? all_options.size() : 4;
  const std::size_t size = 20 + options + s.payload.size();
  std::byte* const at = ip(link, s.from.address, s.to.address, tcp_protocol, size);
  put16(at, s.from.port);
  put16(at + 2, s.to.port);
  put32(at + 4, s.seq);
  put32(at + 8, s.ack);
  at[12] = static_cast<std::byte>((20 + options) / 4 << 4);
  at[13] = std::byte{s.flags};
  put16(at + 14, s.wnd);
  put16(at + 18, 0);
  std::memcpy(at + 20, all_options.data(), options);
  if (!s.payload.empty()) std::memcpy(at + 20 + options, s.payload.data(), s.payload.size());
  sum(at, size, 16);
  return {bytes_.data(), length_};
}

Writer::Bytes Writer::echo(const Link& link, const IpAddress& from, const IpAddress& to,
                           std::size_t size) {
  std::byte* const at = ip(link, from, to, to.is_v4() ? icmp4 : icmp6, 8 + size);
  std::memset(at, 0x5a, 8 + size);
  at[0] = std::byte{to.is_v4() ? std::uint8_t{8} : std::uint8_t{128}};
  at[1] = std::byte{0};
  sum(at, 8 + size, 2);
  return {bytes_.data(), length_};
}

// IP header and the first eight bytes of TCP, and a little more.
std::size_t Writer::quote(std::byte* at, const Tcp& s) const {
  const std::size_t header = ip_size(s.to.address);
  std::memset(at, 0, header + 20);
  if (s.to.address.is_v4()) {
    at[0] = std::byte{0x45};
    put16(at + 2, 60);
    put16(at + 6, 0x4000);
    at[8] = std::byte{60};
    at[9] = std::byte{tcp_protocol};
    put_address(at + 12, s.from.address);
    put_address(at + 16, s.to.address);
    const std::uint16_t checksum = wire::internet_checksum(at, header);
    std::memcpy(at + 10, &checksum, 2);
  } else {
    at[0] = std::byte{0x60};
    put16(at + 4, 40);
    at[6] = std::byte{tcp_protocol};
    at[7] = std::byte{60};
    put_address(at + 8, s.from.address);
    put_address(at + 24, s.to.address);
  }
  put16(at + header, s.from.port);
  put16(at + header + 2, s.to.port);
  put32(at + header + 4, s.seq);
  at[header + 12] = std::byte{0x50};
  at[header + 13] = std::byte{s.flags};
  return header + 20;
}

Writer::Bytes Writer::icmp_error(const Link& link, const IpAddress& from, std::uint8_t type,
                                 std::uint8_t code, std::uint16_t mtu, const Tcp& quoted) {
  const IpAddress& to = quoted.from.address;
  const std::size_t size = 8 + ip_size(to) + 20;
  std::byte* const at = ip(link, from, to, to.is_v4() ? icmp4 : icmp6, size);
  at[0] = std::byte{type};
  at[1] = std::byte{code};
  put32(at + 4, mtu);
  quote(at + 8, quoted);
  sum(at, size, 2);
  return {bytes_.data(), length_};
}

Writer::Bytes Writer::fragment(const Link& link, const IpAddress& from, const IpAddress& to,
                               std::uint32_t id, std::uint16_t offset, bool more,
                               std::size_t size) {
  if (to.is_v4()) {
    std::byte* const at = ip(link, from, to, tcp_protocol, size);
    std::memset(at, 0x11, size);
    std::byte* const header = bytes_.data() + ethernet_size;
    put16(header + 4, id & 0xffff);
    put16(header + 6, (offset / 8u) | (more ? 0x2000u : 0u));
    put16(header + 10, 0);
    const std::uint16_t checksum = wire::internet_checksum(header, 20);
    std::memcpy(header + 10, &checksum, 2);
  } else {
    std::byte* const at = ip(link, from, to, fragment_header, 8 + size);
    at[0] = std::byte{tcp_protocol};
    at[1] = std::byte{0};
    put16(at + 2, offset | (more ? 1u : 0u));
    put32(at + 4, id);
    std::memset(at + 8, 0x11, size);
  }
  return {bytes_.data(), length_};
}

Writer::Bytes Writer::arp(const Link& link, std::uint16_t op, const IpAddress& sender,
                          const Mac& target_mac, const IpAddress& target) {
  std::byte* const at = bytes_.data() + ethernet_size;
  ethernet(link, type_arp);
  put16(at, 1);
  put16(at + 2, type_v4);
  at[4] = std::byte{6};
  at[5] = std::byte{4};
  put16(at + 6, op);
  put_mac(at + 8, link.from);
  put_address(at + 14, sender);
  put_mac(at + 18, target_mac);
  put_address(at + 24, target);
  length_ = ethernet_size + 28;
  return {bytes_.data(), length_};
}

Writer::Bytes Writer::who_has(const Mac& mac, const IpAddress& from, const IpAddress& target) {
  if (target.is_v4()) return arp({mac, broadcast_mac}, 1, from, Mac{}, target);
  // RFC 4861 §4.3, to the solicited-node address of the target.
  const std::uint64_t last = target.low() & 0xff'ffff;
  const IpAddress group = IpAddress::v6(0xff02'0000'0000'0000, 0x1'ff00'0000 | last);
  const Link link{mac, multicast_mac(Address::of(group))};
  std::byte* const at = ip(link, from, group, icmp6, 32, 255);
  std::memset(at, 0, 32);
  at[0] = std::byte{135};
  put_address(at + 8, target);
  at[24] = std::byte{1};
  at[25] = std::byte{1};
  put_mac(at + 26, mac);
  sum(at, 32, 2);
  return {bytes_.data(), length_};
}

Writer::Bytes Writer::is_at(const Link& link, const IpAddress& address, const IpAddress& asker) {
  if (address.is_v4()) return arp(link, 2, address, link.to, asker);
  std::byte* const at = ip(link, address, asker, icmp6, 32, 255);
  std::memset(at, 0, 32);
  at[0] = std::byte{136};
  at[4] = std::byte{0x60};  // solicited, override
  put_address(at + 8, address);
  at[24] = std::byte{2};
  at[25] = std::byte{1};
  put_mac(at + 26, link.from);
  sum(at, 32, 2);
  return {bytes_.data(), length_};
}

Seen read(std::span<const std::byte> frame) {
  Seen seen;
  const std::byte* const at = frame.data() + ethernet_size;
  std::memcpy(seen.mac.bytes.data(), frame.data() + 6, 6);
  const unsigned type = get16(frame.data() + 12);
  if (type == type_arp && get16(at + 6) == 1) {
    seen.kind = Seen::Kind::who_has;
    seen.from.address = IpAddress::v4(get32(at + 14));
    seen.target = IpAddress::v4(get32(at + 24));
    return seen;
  }
  if (type != type_v4 && type != type_v6) return seen;
  const bool v4 = type == type_v4;
  const std::byte* const next = at + (v4 ? 20 : 40);
  const std::size_t size = v4 ? get16(at + 2) - 20 : get16(at + 4);
  seen.from.address = v4 ? IpAddress::v4(get32(at + 12)) : get_v6(at + 8);
  seen.to.address = v4 ? IpAddress::v4(get32(at + 16)) : get_v6(at + 24);
  const unsigned protocol = get8(at + (v4 ? 9 : 6));
  if (protocol == icmp6 && !v4 && get8(next) == 135) {
    seen.kind = Seen::Kind::who_has;
    seen.target = get_v6(next + 8);
    return seen;
  }
  if (protocol != tcp_protocol) return seen;
  seen.kind = Seen::Kind::tcp;
  seen.from.port = static_cast<std::uint16_t>(get16(next));
  seen.to.port = static_cast<std::uint16_t>(get16(next + 2));
  seen.seq = get32(next + 4);
  seen.ack = get32(next + 8);
  const std::size_t header = (get8(next + 12) >> 4) * 4;
  seen.flags = static_cast<std::uint8_t>(get8(next + 13));
  seen.wnd = static_cast<std::uint16_t>(get16(next + 14));
  seen.payload = {next + header, size - header};
  return seen;
}

IpAddress destination(std::span<const std::byte> frame) {
  const std::byte* const at = frame.data() + ethernet_size;
  const unsigned type = get16(frame.data() + 12);
  if (type == type_v4) return IpAddress::v4(get32(at + 16));
  return type == type_v6 ? get_v6(at + 24) : IpAddress{};
}

}  // namespace salut::hostile
