// What leaves the engine, looked at as a peer would: headers that hold what they say, sums that are
// right, and only bytes that the application wrote. Who asks for the peer's MAC is answered.
#include <algorithm>
#include <cstring>

#include "engine_rig.hpp"

namespace salut::fuzz {
namespace {

using wire::test::get16;
using wire::test::naive_checksum;
using wire::test::naive_sum;
using wire::test::our_ip;
using wire::test::our_ip6;
using wire::test::our_mac;
using wire::test::peer_ip;
using wire::test::peer_ip6;

std::uint32_t get32(const Bytes& bytes, std::size_t at) {
  return static_cast<std::uint32_t>(get16(bytes, at)) << 16 | get16(bytes, at + 2);
}

bool after(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) > 0; }

// What the application wrote from `offset` on?
bool is_ours(std::span<const std::uint8_t> bytes, std::uint32_t offset) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [&](std::uint8_t byte) { return std::byte{byte} == Rig::our_byte(offset++); });
}

}  // namespace

void Rig::check_frame(const Frame& frame) {
  Bytes bytes(frame.length);
  std::memcpy(bytes.data(), frame.data, frame.length);
  require(bytes.size() >= 34, "a frame too short");
  require(std::equal(our_mac.bytes.begin(), our_mac.bytes.end(), bytes.begin() + 6),
          "a frame from another station");
  const unsigned type = get16(bytes, 12);
  if (type == wire::ether_type_arp) return check_arp(bytes);
  if (type == wire::ether_type_ipv6) return check_ip6(bytes);
  require(type == wire::ether_type_ipv4, "a frame of no protocol that we speak");
  check_ip4(bytes);
}

void Rig::check_arp(const Bytes& frame) {
  require(frame.size() >= 42, "an ARP packet too short");
  const bool asks = get16(frame, 20) == 1 && get32(frame, 38) == peer_ip;
  if (asks && !silent_) put(wire::test::arp_packet(2, our_mac));
}

void Rig::check_ip4(const Bytes& frame) {
  require(get16(frame, 16) == frame.size() - 14, "an IPv4 length that lies");
  require(naive_checksum(naive_sum(&frame[14], 20)) == 0, "an IPv4 checksum that is wrong");
  require(!ip6() && (get32(frame, 26) == our_ip || forged_),
          "a packet from somebody else's address");
  if (frame[23] == wire::protocol_tcp) check_tcp(frame, 34);
}

void Rig::check_ip6(const Bytes& frame) {
  require(frame.size() >= 54 + 4, "an IPv6 packet too short");
  require(frame[14] >> 4 == 6, "an IPv6 packet of another version");
  require(get16(frame, 18) == frame.size() - 54, "an IPv6 length that lies");
  require(frame.size() <= 14u + mtu_, "a packet longer than the MTU");
  const bool ours = std::equal(our_ip6.bytes().begin(), our_ip6.bytes().end(), frame.begin() + 22);
  require(ip6() && (ours || forged_), "a packet from somebody else's address");
  const unsigned next = frame[20];
  require(next == wire::protocol_tcp || next == wire::protocol_icmp6, "a header nobody asked for");
  const auto length = static_cast<std::uint32_t>(frame.size() - 54);
  const std::uint32_t pseudo = naive_sum(&frame[22], 32) + next + length;
  require(naive_checksum(pseudo + naive_sum(&frame[54], length)) == 0,
          "a checksum over an IPv6 pseudo header is wrong");
  if (next == wire::protocol_tcp) return check_tcp(frame, 54);
  if (frame[54] == wire::icmp6_solicitation || frame[54] == wire::icmp6_advertisement) {
    check_ndp(frame);
  }
}

void Rig::check_ndp(const Bytes& frame) {
  require(frame.size() >= 54 + 24, "a message about neighbours too short");
  require(frame[21] == 255, "a message about neighbours with a hop limit that proves nothing");
  const bool group = frame[38] == 0xff;
  const Bytes mac = {0x33, 0x33, frame[50], frame[51], frame[52], frame[53]};
  require(!group || std::equal(mac.begin(), mac.end(), frame.begin()), "a group at another MAC");
  const bool asks =
      frame[54] == wire::icmp6_solicitation &&
      std::equal(peer_ip6.bytes().begin(), peer_ip6.bytes().end(), frame.begin() + 62);
  if (asks && !silent_) put(wire::test::ndp_packet(wire::icmp6_advertisement));
}

void Rig::check_tcp(const Bytes& frame, std::size_t tcp) {
  const std::size_t length = frame.size() - tcp;
  require(length >= 20, "a TCP header too short");
  require(frame.size() <= 14u + mtu_, "a segment longer than the MTU");
  const std::size_t addresses = ip6() ? 32 : 8;
  const std::uint32_t pseudo =
      naive_sum(&frame[tcp - addresses], addresses) + 6 + static_cast<std::uint32_t>(length);
  require(naive_checksum(pseudo + naive_sum(&frame[tcp], length)) == 0, "a TCP checksum is wrong");
  const std::size_t header = static_cast<std::size_t>(frame[tcp + 12] >> 4) * 4;
  require(header >= 20 && header <= length, "a TCP offset that lies");
  const unsigned flags = frame[tcp + 13];
  const bool syn = (flags & wire::syn) != 0, fin = (flags & wire::fin) != 0;
  const bool rst = (flags & wire::rst) != 0, ack = (flags & wire::ack) != 0;
  require(syn + fin + rst <= 1, "two of SYN, FIN and RST at once");
  require(ack || syn || rst, "a segment without ACK");
  const std::size_t payload = length - header;
  require(payload == 0 || !(syn || rst), "data on a SYN or RST");
  Flow* flow = find_flow(get16(frame, tcp + 2), get16(frame, tcp));
  check_options(frame, tcp + 20, header - 20, flow);
  if (flow == nullptr || rst) return;
  const std::uint32_t seq = get32(frame, tcp + 4);
  const auto bytes = std::span(frame).subspan(tcp + header);
  if (payload > 0 && !flow->isses.empty() && !forged_) {
    const auto of = std::find_if(flow->isses.rbegin(), flow->isses.rend(),
                                 [&](std::uint32_t iss) { return is_ours(bytes, seq - iss - 1); });
    require(of != flow->isses.rend(), "a byte left that is wrong");
    if (*of != flow->iss) return;  // late
  }
  learn(*flow, frame, tcp, static_cast<std::uint32_t>(payload + (syn || fin ? 1 : 0)));
}

void Rig::check_options(const Bytes& frame, std::size_t at, std::size_t size, Flow* flow) {
  const std::size_t end = at + size;
  while (at < end && frame[at] != 0) {
    if (frame[at] == 1) {
      ++at;
      continue;
    }
    require(at + 2 <= end && frame[at + 1] >= 2 && at + frame[at + 1] <= end,
            "an option that is malformed");
    if (flow != nullptr && frame[at] == 8) flow->tsval = get32(frame, at + 2);
    at += frame[at + 1];
  }
}

void Rig::know(Flow& flow, std::uint32_t iss) {
  if (flow.known && flow.iss == iss) return;
  if (flow.isses.empty() || flow.iss != iss) flow.isses.push_back(iss);
  flow.known = true;
  flow.iss = iss;
  flow.snd_nxt = iss + 1;
}

void Rig::learn(Flow& flow, const Bytes& frame, std::size_t tcp, std::uint32_t len) {
  const std::uint32_t seq = get32(frame, tcp + 4);
  const unsigned flags = frame[tcp + 13];
  if ((flags & wire::syn) != 0) know(flow, seq);
  if (flow.known && after(seq + len, flow.snd_nxt)) flow.snd_nxt = seq + len;
  if ((flags & wire::ack) == 0) return;
  flow.rcv_nxt = get32(frame, tcp + 8);
  flow.edge = flow.rcv_nxt + get16(frame, tcp + 14);
}

}  // namespace salut::fuzz
