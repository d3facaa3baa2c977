#include "tcp/transmit.hpp"

#include <algorithm>

#include "tcp/addresses.hpp"
#include "tcp/mss.hpp"
#include "tcp/options.hpp"
#include "tcp/timers.hpp"
#include "tcp/timestamps.hpp"
#include "tcp/window.hpp"
#include "wire/emit_parts.hpp"
#include "wire/options.hpp"

namespace salut::tcp {
namespace {

// CE was seen and the peer has not yet said that it sends less (RFC 3168 §6.1.3).
bool echoes_congestion(const Context& c, const Tcb& t) {
  return t.has(Flag::ecn) && t.has(Flag::data_ready) && c.stream(t).ece;
}

// Where a segment goes: the next hop's entry, and its MAC as FrameTemplate::put() takes it. The MAC
// has no meaning until it is resolved, and is then filled in.
struct Way {
  std::uint16_t via;
  std::uint64_t mac;
};

// A sibling handed the SYN on, so that its MAC is not the way to its sender: the next hop by the
// routes, without an entry being kept. Rare.
[[gnu::noinline]] Way resolve_child(Context& c, const Tcb& t) {
  ip::Neighbours& neighbours = c.interfaces.neighbours();
  const auto route = c.interfaces.route_back(remote_address(t.key, whole_addresses(c, t)),
                                             neighbours.port(t.neighbour));
  if (!route) return {t.neighbour, 0};
  const std::uint16_t hop = neighbours.find_or_add(route->port, route->next_hop);
  if (hop == ip::Neighbours::none) return {t.neighbour, 0};
  return {hop, neighbours.hop(hop).word()};
}

[[gnu::always_inline]] inline Way way_of(Context& c, const Tcb& t) {
  const ip::Neighbours& neighbours = c.interfaces.neighbours();
  if (!neighbours.is_link(t.neighbour)) [[likely]]
    return {t.neighbour, neighbours.hop(t.neighbour).word()};
  if (t.user == 0) [[unlikely]]
    return resolve_child(c, t);
  return {t.neighbour, t.user};  // a child of ours: Tcb::syn_mac()
}

// The end of every segment: out, with what it says to its peer noted.
[[gnu::always_inline]] inline void leave(Context& c, Tcb& t, Frame& frame, std::uint16_t via,
                                         std::uint16_t port, std::size_t length, bool acks,
                                         bool leave_sum) {
  frame.leave_by(port, length, leave_sum ? std::uint16_t{l4_checksum_left} : std::uint16_t{0});
  if (acks) {
    t.clear(Flag::ack_pending | Flag::ack_delayed | Flag::window_update);
    if (t.has(Flag::timestamps | Flag::data_ready)) t.last_ack_sent = t.rcv_nxt;
  }
  ++c.counters.segments_out;
  c.interfaces.send_via(via, frame, c.clock.now);
}

// IPv4, no payload, no Stream: all that opening and closing need. Of its own, so that what the
// others take registers for costs it nothing.
template <class Options>
[[gnu::always_inline]] inline void emit_plain(Context& c, Tcb& t, Frame& frame, const SegmentOut& s,
                                              const Options& options) {
  const Way way = way_of(c, t);
  const std::uint16_t port = c.interfaces.neighbours().port(way.via);
  const bool acks = (s.flags & wire::ack) != 0;
  const wire::detail::Inner inner{
      .words = wire::detail::tcp_words(t.key, s.seq, acks ? t.rcv_nxt.value : 0, s.wnd, s.flags,
                                       wire::tcp_size + options.size())};
  const std::size_t length =
      wire::detail::put_4(frame.data, c.templates[port].ip4, way.mac, t.key.local_addr,
                          t.key.remote_addr, inner, options);
  leave(c, t, frame, way.via, port, length, acks, false);
}

template <class Options>
[[gnu::always_inline]] inline void emit_any(Context& c, Tcb& t, Frame& frame, const SegmentOut& s,
                                            const Options& options) {
  const Way way = way_of(c, t);
  const std::uint16_t port = c.interfaces.neighbours().port(way.via);
  const bool acks = (s.flags & wire::ack) != 0;
  std::uint8_t flags = s.flags;
  wire::detail::Inner inner{.payload_length = s.payload_length, .traffic_class = s.traffic_class};
  if (t.has(Flag::data_ready)) {
    inner.traffic_class = static_cast<std::uint8_t>(s.traffic_class | c.stream(t).dscp << 2);
    const bool may_echo = (s.flags & (wire::syn | wire::rst)) == 0;
    if (may_echo && echoes_congestion(c, t)) flags |= wire::ece;
    if (acks) c.stream(t).ack_at = 0;
  }
  inner.words = wire::detail::tcp_words(t.key, s.seq, acks ? t.rcv_nxt.value : 0, s.wnd, flags,
                                        wire::tcp_size + options.size());
  // The sum of a header costs nothing here; that of a payload is a walk through it.
  constexpr std::uint16_t worth_leaving = 256;
  inner.leave_sum =
      s.payload_length >= worth_leaving && c.interfaces.interface(port).completes_checksums;
  const FrameTemplates& from = c.templates[port];
  const std::size_t length =
      t.has(Flag::ip6) ? wire::detail::put_6(frame.data, from.ip6, way.mac, *whole_addresses(c, t),
                                             c.fold.label(t.key), inner, options)
                       : wire::detail::put_4(frame.data, from.ip4, way.mac, t.key.local_addr,
                                             t.key.remote_addr, inner, options);
  leave(c, t, frame, way.via, port, length, acks, inner.leave_sum);
}

using wire::detail::NoOptions;
using wire::detail::OptionSpan;
using wire::detail::SynOptions;
using wire::detail::Timestamps;

Timestamps timestamps_of(const Context& c, const Tcb& t) {
  return {our_timestamp(c, t), t.ts_recent};
}

[[gnu::noinline]] void emit_with_stamps(Context& c, Tcb& t, Frame& frame, const SegmentOut& s) {
  emit_any(c, t, frame, s, timestamps_of(c, t));
}
[[gnu::noinline]] void emit_without(Context& c, Tcb& t, Frame& frame, const SegmentOut& s) {
  emit_any(c, t, frame, s, NoOptions{});
}
[[gnu::noinline]] void emit_plain_without(Context& c, Tcb& t, Frame& frame, const SegmentOut& s) {
  emit_plain(c, t, frame, s, NoOptions{});
}
[[gnu::noinline]] void emit_usual_syn_6(Context& c, Tcb& t, Frame& frame, const SegmentOut& s,
                                        const SynOptions& options) {
  emit_any(c, t, frame, s, options);
}
[[gnu::noinline]] void emit_special(Context& c, Tcb& t, Frame& frame, const SegmentOut& s,
                                    std::span<const std::byte> options) {
  emit_any(c, t, frame, s, OptionSpan{options});
}

}  // namespace

void emit_segment(Context& c, Tcb& t, Frame& frame, const SegmentOut& segment) {
  const bool stamped = t.has(Flag::timestamps);
  if (t.has(Flag::data_ready | Flag::ip6)) {
    return stamped ? emit_with_stamps(c, t, frame, segment) : emit_without(c, t, frame, segment);
  }
  if (!stamped) return emit_plain_without(c, t, frame, segment);
  emit_plain(c, t, frame, segment, timestamps_of(c, t));
}

void emit_control(Context& c, Tcb& t, Seq seq, std::uint8_t flags) {
  Frame frame;
  if (!c.interfaces.acquire(frame)) return;
  const bool reset = (flags & wire::rst) != 0;
  const SegmentOut segment{
      .seq = seq.value, .wnd = reset ? std::uint16_t{0} : offer_window(c, t), .flags = flags};
  if (!t.has(Flag::gaps) || reset) [[likely]]
    return emit_segment(c, t, frame, segment);
  wire::OptionBytes options;
  emit_special(c, t, frame, segment, {options.data(), ack_options(c, t, options)});
}

void output_syn(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  t.clear(Flag::emit_syn);
  start_timer(c, index);
  Frame frame;
  if (!c.interfaces.acquire(frame)) return;  // the timer tries again
  const auto port = c.interfaces.neighbours().port(t.neighbour);
  const std::uint16_t mss =
      offered_mss(c, t, port_mss(c.interfaces.interface(port).mtu, t.has(Flag::ip6)));
  const bool answer = t.state != State::syn_sent;
  auto flags = static_cast<std::uint8_t>(wire::syn | (answer ? wire::ack : 0));
  if (t.has(Flag::ecn)) flags |= answer ? wire::ece : wire::ece | wire::cwr;  // RFC 3168 §6.1.1
  // What a SYN offers is kept in RCV.ADV, before RCV.NXT is known: it never moves left.
  if (!answer) {
    t.rcv_adv = t.rcv_nxt + std::max(t.rcv_wnd(), syn_window(recv_buffer(c, t)));
  }
  const auto wnd = static_cast<std::uint16_t>(syn_window(t.rcv_wnd()));
  const SegmentOut segment{.seq = t.snd_una.value, .wnd = wnd, .flags = flags};
  constexpr unsigned all = Flag::scaling | Flag::timestamps | Flag::sack;
  if ((t.flags & (all | Flag::data_ready)) == all) [[likely]] {
    const SynOptions usual{mss, c.rcv_scale, our_timestamp(c, t), answer ? t.ts_recent : 0};
    if (!t.has(Flag::ip6)) return emit_plain(c, t, frame, segment, usual);
    return emit_usual_syn_6(c, t, frame, segment, usual);
  }
  wire::OptionBytes options;
  emit_special(c, t, frame, segment, {options.data(), syn_options(c, t, mss, options)});
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
