#include "tcp/transmit.hpp"

#include <algorithm>

#include "tcp/addresses.hpp"
#include "tcp/mss.hpp"
#include "tcp/options.hpp"
#include "tcp/timers.hpp"
#include "tcp/window.hpp"
#include "wire/emit_parts.hpp"
#include "wire/options.hpp"

namespace salut::tcp {
namespace {

// CE was seen and the peer has not yet said that it sends less (RFC 3168 §6.1.3).
bool echoes_congestion(const Context& c, const Tcb& t) {
  return t.has(Flag::ecn) && t.has(Flag::data_ready) && c.stream(t).ece;
}

// A sibling handed the SYN on, so that its MAC is not the way to its sender: the next hop by the
// routes, without an entry being kept. Rare.
[[gnu::noinline]] std::uint16_t resolve_child(Context& c, Tcb& t, Mac& mac) {
  ip::Neighbours& neighbours = c.interfaces.neighbours();
  const auto route = c.interfaces.route_back(remote_address(t.key, whole_addresses(c, t)),
                                             neighbours.port(t.neighbour));
  if (!route) return t.neighbour;
  const std::uint16_t hop = neighbours.find_or_add(route->port, route->next_hop);
  if (hop == ip::Neighbours::none) return t.neighbour;
  if (neighbours.resolved(hop)) mac = neighbours.mac(hop);
  return hop;
}

// `plain`: IPv4, no payload, no Stream, which is all that opening and closing need. Of its own, so
// that what the others take registers for costs it nothing.
template <bool plain>
[[gnu::always_inline]] inline void emit(Context& c, Tcb& t, Frame& frame, const SegmentOut& s) {
  std::uint16_t via = t.neighbour;
  const ip::NextHop& hop = c.interfaces.neighbours().hop(via);
  const ip::Interface& interface = c.interfaces.interface(hop.port);
  const bool acks = (s.flags & wire::ack) != 0;
  wire::TcpOut out;
  out.key = t.key;
  out.src_mac = interface.mac;
  out.dst_mac = hop.mac;  // of no meaning until it is resolved, and then filled in
  if (c.interfaces.neighbours().is_link(via)) [[unlikely]] {
    out.dst_mac = t.syn_mac();
    if (out.dst_mac.is_zero()) [[unlikely]]
      via = resolve_child(c, t, out.dst_mac);
  }
  out.seq = s.seq;
  out.ack = acks ? t.rcv_nxt.value : 0;
  out.wnd = s.wnd;
  out.flags = s.flags;
  out.ttl = static_cast<std::uint8_t>(c.config.ttl);
  out.traffic_class = s.traffic_class;
  out.options = s.options;
  std::size_t size = wire::tcp_frame_min + s.options.size();
  if constexpr (plain) {
    wire::detail::emit_tcp_4(frame, out);
  } else {
    const bool data = t.has(Flag::data_ready);
    const bool ip6 = t.has(Flag::ip6);
    if (data) {
      out.traffic_class = static_cast<std::uint8_t>(s.traffic_class | c.stream(t).dscp << 2);
      const bool may_echo = (s.flags & (wire::syn | wire::rst)) == 0;
      if (may_echo && echoes_congestion(c, t)) out.flags |= wire::ece;
    }
    out.payload_length = s.payload_length;
    // The sum of a header costs nothing here; that of a payload is a walk through it.
    constexpr std::uint16_t worth_leaving = 256;
    out.leave_sum = s.payload_length >= worth_leaving && interface.completes_checksums;
    if (ip6) {
      out.ip6 = whole_addresses(c, t);
      out.flow_label = c.fold.label(t.key);
      wire::detail::emit_tcp_6(frame, out);
    } else {
      wire::detail::emit_tcp_4(frame, out);
    }
    size += s.payload_length + (ip6 ? wire::ipv6_size - wire::ipv4_size : 0);
    if (acks && data) c.stream(t).ack_at = 0;
  }
  frame.leave_by(hop.port, size,
                 out.leave_sum ? std::uint16_t{l4_checksum_left} : std::uint16_t{0});
  if (acks) {
    t.clear(Flag::ack_pending | Flag::ack_delayed | Flag::window_update);
    if (t.has(Flag::timestamps | Flag::data_ready)) t.last_ack_sent = t.rcv_nxt;
  }
  ++c.counters.segments_out;
  c.interfaces.send_via(via, frame, c.clock.now);
}

[[gnu::noinline]] void emit_any(Context& c, Tcb& t, Frame& frame, const SegmentOut& segment) {
  emit<false>(c, t, frame, segment);
}

}  // namespace

void emit_segment(Context& c, Tcb& t, Frame& frame, const SegmentOut& segment) {
  if (t.has(Flag::data_ready | Flag::ip6)) return emit_any(c, t, frame, segment);
  emit<true>(c, t, frame, segment);
}

void emit_control(Context& c, Tcb& t, Seq seq, std::uint8_t flags) {
  Frame frame;
  if (!c.interfaces.acquire(frame)) return;
  const std::uint16_t wnd = (flags & wire::rst) != 0 ? std::uint16_t{0} : offer_window(c, t);
  wire::OptionBytes options;
  const std::size_t size =
      (flags & wire::rst) != 0 ? segment_options(c, t, options) : ack_options(c, t, options);
  emit_segment(c, t, frame,
               {.seq = seq.value, .wnd = wnd, .flags = flags, .options = {options.data(), size}});
}

void output_syn(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  t.clear(Flag::emit_syn);
  start_timer(c, index);
  Frame frame;
  if (!c.interfaces.acquire(frame)) return;  // the timer tries again
  const auto port = c.interfaces.neighbours().port(t.neighbour);
  wire::OptionBytes options;
  const std::size_t size = syn_options(
      c, t, offered_mss(c, t, port_mss(c.interfaces.interface(port).mtu, t.has(Flag::ip6))),
      options);
  const bool answer = t.state != State::syn_sent;
  auto flags = static_cast<std::uint8_t>(wire::syn | (answer ? wire::ack : 0));
  if (t.has(Flag::ecn)) flags |= answer ? wire::ece : wire::ece | wire::cwr;  // RFC 3168 §6.1.1
  // What a SYN offers is kept in RCV.ADV, before RCV.NXT is known: it never moves left.
  if (!answer) {
    t.rcv_adv = t.rcv_nxt + std::max(t.rcv_wnd(), syn_window(recv_buffer(c, t)));
  }
  const auto wnd = static_cast<std::uint16_t>(syn_window(t.rcv_wnd()));
  emit_segment(
      c, t, frame,
      {.seq = t.snd_una.value, .wnd = wnd, .flags = flags, .options = {options.data(), size}});
}

void output_ack(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  if (t.has(Flag::data_ready) && c.stream(t).quick_acks > 0) --c.stream(t).quick_acks;
  emit_control(c, t, ack_seq(t), wire::ack);
}

void output_reset(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  ++c.counters.resets_sent;
  // At the peer's RCV.NXT, or it is no more than a hint (RFC 5961 §3). What lies beyond its window,
  // a probe's byte above all, was not taken.
  const Seq edge = t.snd_una + t.snd_wnd;
  const bool beyond = !t.has(Flag::syn_unacked) && t.snd_nxt > edge;
  emit_control(c, t, beyond ? edge : t.snd_nxt, wire::rst | wire::ack);
}

}  // namespace salut::tcp
