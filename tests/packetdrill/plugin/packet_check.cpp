#include "packetdrill/plugin/packet_check.hpp"

namespace salut::packetdrill {

std::uint32_t get16(Bytes bytes, std::size_t at) {
  return std::to_integer<std::uint32_t>(bytes[at]) << 8 |
         std::to_integer<std::uint32_t>(bytes[at + 1]);
}

std::uint32_t add_words(Bytes bytes, std::uint32_t sum) {
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += get16(bytes, i);
  if (bytes.size() % 2 != 0) sum += std::to_integer<std::uint32_t>(bytes.back()) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

namespace {

constexpr unsigned icmp = 1, tcp = 6, icmp6 = 58;

std::string fault_of_payload(Bytes addresses, unsigned protocol, Bytes payload) {
  const auto pseudo_sum = [&] {
    return add_words(addresses, protocol + static_cast<std::uint32_t>(payload.size()));
  };
  switch (protocol) {
    case tcp: {
      if (payload.size() < 20) return "TCP header cut short";
      const std::size_t header = 4 * (std::to_integer<std::size_t>(payload[12]) >> 4);
      if (header < 20 || header > payload.size()) return "TCP data offset out of the packet";
      return add_words(payload, pseudo_sum()) == 0xffff ? "" : "TCP checksum wrong";
    }
    case icmp:
      return add_words(payload) == 0xffff ? "" : "ICMP checksum wrong";
    case icmp6:
      return add_words(payload, pseudo_sum()) == 0xffff ? "" : "ICMPv6 checksum wrong";
    default:
      return "a protocol that we do not speak";
  }
}

std::string fault_of_v4(Bytes packet) {
  if (packet.size() < 20) return "IPv4 header cut short";
  const std::size_t header = 4 * (std::to_integer<std::size_t>(packet[0]) & 15);
  if (header < 20 || header > packet.size()) return "IPv4 header length out of the packet";
  if (get16(packet, 2) != packet.size()) return "IPv4 total length is not the packet's";
  if (add_words(packet.first(header)) != 0xffff) return "IPv4 header checksum wrong";
  return fault_of_payload(packet.subspan(12, 8), std::to_integer<unsigned>(packet[9]),
                          packet.subspan(header));
}

std::string fault_of_v6(Bytes packet) {
  if (packet.size() < 40) return "IPv6 header cut short";
  if (get16(packet, 4) + 40 != packet.size()) return "IPv6 payload length is not the packet's";
  return fault_of_payload(packet.subspan(8, 32), std::to_integer<unsigned>(packet[6]),
                          packet.subspan(40));
}

}  // namespace

std::string fault_of(Bytes packet) {
  if (packet.empty()) return "empty packet";
  switch (std::to_integer<unsigned>(packet[0]) >> 4) {
    case 4:
      return fault_of_v4(packet);
    case 6:
      return fault_of_v6(packet);
    default:
      return "neither IPv4 nor IPv6";
  }
}

}  // namespace salut::packetdrill
