#include "tcp/reply.hpp"

#include <cstring>

#include "tcp/addresses.hpp"
#include "tcp/forward.hpp"
#include "wire/emit.hpp"

namespace salut::tcp {
namespace {

// To the sender of a segment that did not come from there directly, as routes say.
void send_back(Context& c, const wire::Segment& s, const Frame& received, Frame& frame) {
  const auto route =
      c.interfaces.route_back(remote_address(s.key, whole_addresses(s, received)), s.port);
  if (!route) return c.interfaces.drop(frame, Drop::no_route);
  const std::uint16_t hop = c.interfaces.neighbours().find_or_add(route->port, route->next_hop);
  if (hop == ip::Neighbours::none) return c.interfaces.drop(frame, Drop::neighbour_table_full);
  auto& ethernet = wire::view<wire::EthernetHeader>(frame.data);
  ethernet.source = c.interfaces.interface(route->port).mac;
  if (c.interfaces.neighbours().resolved(hop))
    ethernet.destination = c.interfaces.neighbours().mac(hop);
  frame.port = route->port;
  c.interfaces.send_via(hop, frame, c.clock.now);
}

}  // namespace

void reply(Context& c, const wire::Segment& segment, const Frame& received, Seq seq, Seq ack,
           std::uint8_t flags, std::uint16_t wnd, std::span<const std::byte> options) {
  wire::EthernetHeader ethernet;
  std::memcpy(&ethernet, received.data, sizeof(ethernet));
  const bool indirect = is_forwarded(c, received);
  Frame frame;
  if (!c.interfaces.acquire(frame)) return;
  frame.port = received.port;
  wire::emit_tcp(frame, wire::TcpOut{.key = segment.key,
                                     .ip6 = whole_addresses(segment, received),
                                     .flow_label = segment.ip6 ? c.fold.label(segment.key) : 0,
                                     .src_mac = c.interfaces.interface(received.port).mac,
                                     .dst_mac = ethernet.source,
                                     .seq = seq.value,
                                     .ack = ack.value,
                                     .wnd = wnd,
                                     .flags = flags,
                                     .ttl = static_cast<std::uint8_t>(c.config.ttl),
                                     .options = options});
  ++c.counters.segments_out;
  if (indirect) [[unlikely]]
    return send_back(c, segment, received, frame);
  c.interfaces.stage(frame);
}

void reply_reset(Context& c, const wire::Segment& segment, const Frame& received) {
  ++c.counters.resets_sent;
  if ((segment.flags & wire::ack) != 0) {
    reply(c, segment, received, Seq{segment.ack}, Seq{}, wire::rst, 0);
  } else {
    reply(c, segment, received, Seq{}, Seq{segment.seq} + segment.len(), wire::rst | wire::ack, 0);
  }
}

}  // namespace salut::tcp
