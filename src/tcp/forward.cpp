#include "tcp/forward.hpp"

#include <algorithm>

#include "tcp/addresses.hpp"
#include "wire/checksum.hpp"

namespace salut::tcp {
namespace {

const Mac& sender_of(const Frame& frame) {
  return wire::view<wire::EthernetHeader>(frame.data).source;
}

// One hop less, and no more than `most` from here on; false if there is none left.
bool take_hop(std::byte* ip, bool ip6, unsigned most) {
  if (ip6) {
    auto& header = wire::view<wire::Ipv6Header>(ip);
    if (header.hop_limit <= 1) return false;
    header.hop_limit = static_cast<std::uint8_t>(std::min(header.hop_limit - 1u, most));
    return true;
  }
  auto& header = wire::view<wire::Ipv4Header>(ip);
  if (header.ttl <= 1) return false;
  constexpr std::size_t word = offsetof(wire::Ipv4Header, ttl);  // with the protocol
  static_assert(word % 2 == 0);
  const auto before = wire::load<std::uint16_t>(ip + word);
  header.ttl = static_cast<std::uint8_t>(std::min(header.ttl - 1u, most));
  header.checksum =
      wire::update_checksum(header.checksum, before, wire::load<std::uint16_t>(ip + word));
  return true;
}

// A device may say "good" of a checksum that its sender left to hardware (virtio): on a wire it has
// to be there.
void write_checksum(const wire::Segment& s, std::byte* data) {
  std::byte* const tcp = data + s.options_offset - wire::tcp_size;
  const auto length = static_cast<std::size_t>(s.payload_offset + s.payload_length) -
                      (s.options_offset - wire::tcp_size);
  const std::byte* const ip = data + s.ip_offset;
  auto& header = wire::view<wire::TcpHeader>(tcp);
  header.checksum = 0;
  if (s.ip6) {
    header.checksum =
        wire::checksum_6(ip + offsetof(wire::Ipv6Header, source), wire::protocol_tcp, tcp, length);
  } else {
    const auto& ip4 = wire::view<wire::Ipv4Header>(ip);
    header.checksum = wire::tcp_checksum(ip4.source, ip4.destination, tcp, length);
  }
}

}  // namespace

bool is_forwarded(const Context& c, const Frame& frame) {
  return !c.interfaces.siblings().empty() &&
         c.interfaces.siblings().has(frame.port, sender_of(frame));
}

bool forward(Context& c, const wire::Segment& s, const Frame& frame, const Address& local) {
  const ip::Siblings& siblings = c.interfaces.siblings();
  if (siblings.empty() || !c.interfaces.is_shared(frame.port, local)) return false;
  const Mac* const to = siblings.next(frame.port, s.ip6, sender_of(frame), c.clock.now);
  if (to == nullptr ||
      !take_hop(frame.data + s.ip_offset, s.ip6, siblings.hops(frame.port, s.ip6, c.clock.now))) {
    c.counters.unclaimed += siblings.has(frame.port, sender_of(frame)) ? 1 : 0;
    return false;
  }
  if ((frame.flags & l4_checksum_good) != 0) write_checksum(s, frame.data);
  auto& ethernet = wire::view<wire::EthernetHeader>(frame.data);
  ethernet.destination = *to;
  ethernet.source = c.interfaces.interface(frame.port).mac;
  Frame out = frame;
  out.leave_by(frame.port, frame.length);
  c.interfaces.stage(out);
  c.frame_kept = true;
  ++c.counters.forwarded;
  return true;
}

}  // namespace salut::tcp
