#include "tcp/output.hpp"

#include <algorithm>
#include <array>

#include "tcp/addresses.hpp"
#include "tcp/forward.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/mss.hpp"
#include "tcp/options.hpp"
#include "tcp/owner.hpp"
#include "tcp/sender.hpp"
#include "wire/emit_parts.hpp"
#include "wire/options.hpp"

namespace salut::tcp {
namespace {

// An ACK of data in order may wait for company, but not for more than two segments' worth, nor
// while the peer's slow start lives of our ACKs (RFC 9293 §3.8.6.3, RFC 5681 §4.2).
bool may_delay_ack(const Context& c, const Tcb& t) {
  const Stream& stream = c.stream(t);
  return c.config.delayed_ack.count() != 0 && stream.quick_acks == 0 &&
         t.rcv_nxt - t.last_ack_sent < 2u * stream.rcv_mss;
}

// Where an ACK without text lies. A probe of a shut window moved SND.NXT past what the peer takes,
// and it would not look at an ACK there.
Seq ack_seq(const Tcb& t) {
  const Seq edge = t.snd_una + t.snd_wnd;
  return edge < t.snd_nxt && !t.has(Flag::syn_unacked) ? edge : t.snd_nxt;
}

void delay_ack(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  if (!may_delay_ack(c, t)) {
    if (stream.quick_acks > 0) --stream.quick_acks;
    emit_control(c, t, ack_seq(t), wire::ack);
  } else if (stream.ack_at == 0) {
    set_deadline(c, index, stream.ack_at, c.config.delayed_ack);
  }
}

// CE was seen and the peer has not yet said that it sends less (RFC 3168 §6.1.3).
bool echoes_congestion(const Context& c, const Tcb& t) {
  return t.has(Flag::ecn) && t.has(Flag::data_ready) && c.stream(t).ece;
}

constexpr bool may_send_data(State state) {
  return state == State::established || state == State::close_wait || state == State::fin_wait_1 ||
         state == State::closing || state == State::last_ack;
}

// RFC 9293 §3.10.4: CLOSE in SYN_RECEIVED without data sends the FIN at once, before our SYN is
// acknowledged.
bool fin_may_leave(const Tcb& t) {
  return t.has(Flag::fin_wanted) && !t.has(Flag::fin_sent) &&
         (!t.has(Flag::data_ready) || t.send.bytes == 0);
}

}  // namespace

bool is_quick_ack_due(const Context& c, const Tcb& t) {
  const Stream& stream = c.stream(t);
  constexpr std::uint16_t small = 536;  // what is less is no bulk
  return stream.quick_acks > 0 &&
         t.rcv_nxt - t.last_ack_sent >= 2u * std::max(stream.rcv_mss, small);
}

// The window to offer. The right edge moves only by a worthwhile step (RFC 9293 §3.8.6.2.2, silly
// window avoidance) and never back.
std::uint16_t offer_window(const Context& c, Tcb& t) {
  const std::uint32_t queued = t.has(Flag::data_ready) ? t.recv.bytes : 0;
  const std::uint32_t buffer = recv_limit(c, t);
  const std::uint32_t room = buffer - std::min(buffer, queued);
  const Seq edge = t.rcv_nxt + room;
  const std::uint32_t step = std::min<std::uint32_t>(buffer / 2, t.mss);
  if (edge > t.rcv_adv && edge - t.rcv_adv >= step) t.rcv_adv = edge;
  return static_cast<std::uint16_t>(std::min(t.rcv_wnd() >> t.rcv_scale(), 65'535u));
}

// Of a buffer that is larger than a window can say, the peer never sees more than it can.
bool is_update_due(const Context& c, const Tcb& t) {
  const std::uint32_t buffer = recv_limit(c, t);
  const std::uint32_t most = std::min(buffer, 65'535u << t.rcv_scale());
  const std::uint32_t room = std::min(buffer - std::min(buffer, t.recv.bytes), most);
  const std::uint32_t shown = std::min(t.rcv_wnd(), most);
  const std::uint32_t gain = room - std::min(room, shown);
  return shown < most / 2 && gain >= std::min(most / 2, 2u * t.mss);
}

namespace {

// `plain`: IPv4, no payload, no Stream, which is all that opening and closing need. Of its own, so
// that what the others take registers for costs it nothing.
template <bool plain>
[[gnu::always_inline]] inline void emit(Context& c, Tcb& t, Frame& frame, const SegmentOut& s) {
  const ip::NextHop& hop = c.interfaces.neighbours().hop(t.neighbour);
  const ip::Interface& interface = c.interfaces.interface(hop.port);
  const bool acks = (s.flags & wire::ack) != 0;
  wire::TcpOut out;
  out.key = t.key;
  out.src_mac = interface.mac;
  out.dst_mac = hop.mac;  // of no meaning until it is resolved, and then filled in
  out.seq = s.seq;
  out.ack = acks ? t.rcv_nxt.value : 0;
  out.wnd = s.wnd;
  out.flags = s.flags;
  out.ttl = static_cast<std::uint8_t>(c.config.ttl);
  out.traffic_class = s.traffic_class;
  out.ip_id = c.ip_id++;
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
  c.interfaces.send_via(t.neighbour, frame, c.now);
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
  // A SYN's window is never scaled (RFC 7323 §2.2).
  const std::uint32_t room = answer ? t.rcv_wnd() : recv_buffer(c, t);
  const auto wnd = static_cast<std::uint16_t>(std::min(room, 65'535u));
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
  emit_control(c, t, t.snd_nxt, wire::rst | wire::ack);
}

void output(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  t.clear(Flag::queued);
  if (t.ending != 0) {
    if ((t.ending & ending_reset) != 0) output_reset(c, index);
    release(c, index, static_cast<Reason>(t.ending & ending_reason));
    return;
  }
  if (t.state == State::closed || t.state == State::time_wait) {
    if (reader_done(c, index) == Fate::gone) return;
  }
  if (t.state == State::closed) return;
  if (t.has(Flag::emit_syn)) {
    output_syn(c, index);
    return;
  }
  // A gap is told of in an ACK of its own: beside a full segment there is no room for SACK, and one
  // with data is no duplicate ACK (RFC 5681 §2).
  if (t.has(Flag::gaps) && t.has(Flag::ack_pending)) emit_control(c, t, ack_seq(t), wire::ack);
  const bool sent = may_send_data(t.state) && (!t.has(Flag::syn_unacked) || fin_may_leave(t)) &&
                    send_data(c, index);
  if (sent) return;
  if (t.has(Flag::ack_pending | Flag::window_update)) {
    emit_control(c, t, ack_seq(t), wire::ack);
  } else if (t.has(Flag::ack_delayed)) {
    delay_ack(c, index);
  }
}

bool flush_outputs(Context& c) {
  constexpr unsigned blocked_max = 256;  // looked at in vain
  const unsigned ports = c.interfaces.count();
  const std::uint32_t waiting = c.outputs.size();
  const unsigned budget = c.more_to_receive ? ports * output_budget_behind : output_budget;
  unsigned blocked = 0;
  for (unsigned left = std::min<std::uint32_t>(waiting, budget); left > 0; --left) {
    if (left > 8) {
      const Tcb* next = &c.tcbs[c.outputs.peek(8)];
      __builtin_prefetch(next, 1);
      __builtin_prefetch(&next->send, 1);
    }
    if (left > 4) {
      const Tcb& next = c.tcbs[c.outputs.peek(4)];
      if (next.has(Flag::data_ready)) c.streams.prefetch(next.stream);
    }
    const Tcb& t = c.tcbs[c.outputs.peek(0)];
    const bool over = t.ending != 0 || t.state == State::closed || t.state == State::time_wait;
    if (over || c.interfaces.has_room_for_output(c.interfaces.neighbours().port(t.neighbour),
                                                 c.now)) [[likely]] {
      output(c, c.outputs.pop());
    } else if (ports == 1 || ++blocked == blocked_max) {
      return true;
    } else {
      c.outputs.push(c.outputs.pop());  // others may leave by another port
    }
  }
  return blocked > 0 || waiting > budget;
}

namespace {

// To the sender of a segment that did not come from there directly, as routes say.
void send_back(Context& c, const wire::Segment& s, const Frame& received, Frame& frame) {
  const auto route =
      c.interfaces.route_back(remote_address(s.key, whole_addresses(s, received)), s.port);
  if (!route) return c.interfaces.drop(frame, Drop::no_route);
  const std::uint16_t hop = c.interfaces.neighbours().find_or_add(route->port, route->next_hop);
  if (hop == ip::Neighbours::none) return c.interfaces.drop(frame, Drop::neighbour_queue_full);
  auto& ethernet = wire::view<wire::EthernetHeader>(frame.data);
  ethernet.source = c.interfaces.interface(route->port).mac;
  if (c.interfaces.neighbours().resolved(hop))
    ethernet.destination = c.interfaces.neighbours().mac(hop);
  frame.port = route->port;
  c.interfaces.send_via(hop, frame, c.now);
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
                                     .ip_id = c.ip_id++,
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
