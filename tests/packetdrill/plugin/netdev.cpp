#include "packetdrill/plugin/netdev.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/key.hpp"
#include "packetdrill/plugin/packet_check.hpp"

namespace salut::packetdrill {

namespace {

constexpr std::uint16_t type_ipv4 = 0x0800;
constexpr std::uint16_t type_arp = 0x0806;
constexpr std::uint16_t type_ipv6 = 0x86dd;

constexpr unsigned icmp6 = 58;

// Loud: whoever runs a script must not take a broken packet for one that was right.
[[noreturn]] void refuse(Bytes packet, const std::string& fault) {
  std::fprintf(stderr, "libsalut_packetdrill: sent a packet with a fault: %s\n", fault.c_str());
  for (std::size_t i = 0; i < packet.size(); ++i) {
    std::fprintf(stderr, "%02x%s", std::to_integer<unsigned>(packet[i]), i % 16 == 15 ? "\n" : " ");
  }
  std::fputc('\n', stderr);
  std::abort();
}

}  // namespace

bool Pool::acquire(Frame* frames, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    if (free_.empty()) {
      all_.push_back(std::make_unique<std::byte[]>(room));
      free_.push_back(all_.back().get());
    }
    frames[i] = Frame{};
    frames[i].data = free_.back();
    frames[i].handle = free_.back();
    frames[i].room = room;
    free_.pop_back();
  }
  return true;
}

void Pool::release(const Frame* frames, unsigned count) {
  for (unsigned i = 0; i < count; ++i) free_.push_back(static_cast<std::byte*>(frames[i].handle));
}

void Netdev::enqueue(std::uint16_t type, Bytes payload) {
  std::vector<std::byte> frame(sizeof(wire::EthernetHeader) + payload.size());
  wire::EthernetHeader header;
  header.destination = our_mac;
  header.source = peer_mac;
  header.type = net16(type);
  std::memcpy(frame.data(), &header, sizeof(header));
  std::copy(payload.begin(), payload.end(), frame.begin() + sizeof(header));
  to_engine_.push_back(std::move(frame));
}

void Netdev::inject(Bytes packet) {
  const bool v6 = !packet.empty() && std::to_integer<unsigned>(packet[0]) >> 4 == 6;
  enqueue(v6 ? type_ipv6 : type_ipv4, packet);
}

void Netdev::answer_arp(Bytes request) {
  wire::ArpHeader arp;
  if (request.size() < sizeof(arp)) return;
  std::memcpy(&arp, request.data(), sizeof(arp));
  if (net16(arp.op) != 1) return;
  const std::uint32_t asked_for = arp.target_ip;
  arp.op = net16(2);
  arp.target_mac = arp.sender_mac;
  arp.target_ip = arp.sender_ip;
  arp.sender_mac = peer_mac;
  arp.sender_ip = asked_for;
  enqueue(type_arp, std::as_bytes(std::span(&arp, 1)));
}

// RFC 4861 §4.3, §4.4. False: the packet is something else.
bool Netdev::answer_solicitation(Bytes packet) {
  constexpr std::size_t message = 40;
  constexpr std::size_t size = message + 32;  // with one option, the link-layer address
  if (packet.size() < message + 24 || std::to_integer<unsigned>(packet[6]) != icmp6) return false;
  if (std::to_integer<unsigned>(packet[message]) != 135) return false;
  std::vector<std::byte> answer(packet.begin(), packet.begin() + message);
  answer.resize(size);
  answer[5] = std::byte{size - message};
  std::copy_n(packet.begin() + message + 8, 16, answer.begin() + 8);  // from the target
  std::copy_n(packet.begin() + 8, 16, answer.begin() + 24);
  answer[message] = std::byte{136};
  answer[message + 4] = std::byte{0x60};  // solicited, override
  std::copy_n(packet.begin() + message + 8, 16, answer.begin() + message + 8);
  answer[message + 24] = std::byte{2};
  answer[message + 25] = std::byte{1};
  for (std::size_t i = 0; i < 6; ++i) {
    answer[message + 26 + i] = static_cast<std::byte>(peer_mac.bytes[i]);
  }
  const Bytes whole(answer);
  const std::uint32_t pseudo = add_words(whole.subspan(8, 32), icmp6 + (size - message));
  const std::uint32_t sum = ~add_words(whole.subspan(message), pseudo) & 0xffff;
  answer[message + 2] = static_cast<std::byte>(sum >> 8);
  answer[message + 3] = static_cast<std::byte>(sum & 0xff);
  enqueue(type_ipv6, answer);
  return true;
}

void Netdev::carry(Bytes frame) {
  if (frame.size() < sizeof(wire::EthernetHeader)) refuse(frame, "Ethernet header cut short");
  const Bytes payload = frame.subspan(sizeof(wire::EthernetHeader));
  const std::uint32_t type = get16(frame, 12);
  if (type == type_arp) return answer_arp(payload);
  if (type != type_ipv4 && type != type_ipv6) refuse(frame, "neither ARP nor IP");
  if (const std::string fault = fault_of(payload); !fault.empty()) refuse(payload, fault);
  if (type == type_ipv6 && answer_solicitation(payload)) return;
  sent.push_back({now_, {payload.begin(), payload.end()}});
}

unsigned Netdev::receive(Frame* frames, unsigned count) {
  unsigned n = 0;
  for (; n < count && !to_engine_.empty(); ++n) {
    const std::vector<std::byte>& bytes = to_engine_.front();
    if (!pool_.acquire(&frames[n], 1)) break;
    const std::size_t length = std::min<std::size_t>(bytes.size(), frames[n].room);
    std::copy_n(bytes.begin(), length, frames[n].data);
    frames[n].length = static_cast<std::uint16_t>(length);
    to_engine_.pop_front();
  }
  return n;
}

unsigned Netdev::transmit(const Frame* frames, unsigned count) {
  for (unsigned i = 0; i < count; ++i) carry({frames[i].data, frames[i].length});
  pool_.release(frames, count);
  return count;
}

}  // namespace salut::packetdrill
