// Segments for which there is no connection: LISTEN and CLOSED, RFC 9293 §3.10.7.1 and §3.10.7.2.
#include <algorithm>
#include <optional>

#include "tcp/addresses.hpp"
#include "tcp/forward.hpp"
#include "tcp/input.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/mss.hpp"
#include "tcp/options.hpp"
#include "tcp/raise.hpp"
#include "tcp/reply.hpp"
#include "tcp/socket_options.hpp"
#include "tcp/timestamps.hpp"
#include "tcp/transmit.hpp"
#include "tcp/window.hpp"

namespace salut::tcp {
namespace {

StateEvent event_of(const wire::Segment& s) {
  if ((s.flags & wire::rst) != 0) return StateEvent::reset;
  const bool syn = (s.flags & wire::syn) != 0;
  if ((s.flags & wire::ack) != 0) return syn ? StateEvent::syn_ack : StateEvent::ack_bad;
  if (syn) return StateEvent::syn;
  return (s.flags & wire::fin) != 0 ? StateEvent::fin : StateEvent::other;
}

// The ACK of a SYN,ACK has neither SYN nor RST; it may bring data and a FIN.
std::optional<CookieContent> returned_cookie(const Context& c, const wire::Segment& s) {
  if ((s.flags & (wire::syn | wire::rst | wire::ack)) != wire::ack) return std::nullopt;
  return c.cookies.check(s, c.clock.now);
}

// Is there no room for another child in SYN_RECEIVED? A quarter of all slots is for those: the rest
// is kept for connections whose peer is known to exist.
bool half_open_full(const Context& c, const flow::ListenerSlot& slot) {
  return slot.half_open >= slot.backlog || c.half_open >= c.tcbs.size() / 4;
}

// No slot at all: whoever got a SYN,ACK now, be it a cookie, would believe that he is connected.
bool slots_full(const Context& c) { return c.tcbs.in_use() == c.tcbs.size(); }

std::optional<ip::Route> route_back(const Context& c, const wire::Segment& s, const Frame& frame) {
  return c.interfaces.route_back(remote_address(s.key, whole_addresses(s, frame)), s.port);
}

// How a SYN is answered, by the port and the MAC that it came from, and our own MSS towards its
// sender. Not by an entry of the table of neighbours: the source of a SYN may be invented.
struct Way {
  std::uint16_t hop = ip::Neighbours::none;
  std::uint16_t mss = 0;
  Mac mac;
};
Drop find_way(Context& c, const wire::Segment& s, const Frame& frame, Way& way) {
  const auto route = route_back(c, s, frame);
  if (!route) return Drop::no_route;
  way.hop = ip::Neighbours::link(s.port);
  if (!is_forwarded(c, frame)) way.mac = wire::view<wire::EthernetHeader>(frame.data).source;
  way.mss = port_mss(c.interfaces.interface(route->port).mtu, s.ip6);
  return Drop::none;
}

// A SYN,ACK that keeps nothing.
void send_cookie(Context& c, std::uint16_t listener, const wire::Segment& s, const Frame& frame) {
  const auto route = route_back(c, s, frame);
  if (!route) return c.count_drop(Drop::no_route);
  const std::uint16_t most = port_mss(c.interfaces.interface(route->port).mtu, s.ip6);
  const std::uint16_t ours = std::min(c.listener_options[listener].mss.value_or(most), most);
  CookieContent content;
  content.timestamps = c.config.timestamps && (s.options & wire::option_has_timestamps) != 0;
  if (content.timestamps) {
    content.scaling = c.config.window_scale && (s.options & wire::option_has_window_scale) != 0;
    content.wscale = std::min(s.wscale, max_window_scale);
    content.sack = c.config.sack && (s.options & wire::option_has_sack_permitted) != 0;
    content.ecn = c.config.ecn && (s.flags & (wire::ece | wire::cwr)) == (wire::ece | wire::cwr);
  }
  const Seq iss = c.cookies.make(s.key, Seq{s.seq}, peer_mss(ours, s.mss, s.ip6), c.clock.now);
  const std::uint32_t clock =
      c.clock.now_ms + c.isn.tuple(s.key, whole_addresses(s, frame)).ts_offset;
  wire::OptionBytes options;
  const std::size_t size = wire::emit_options(options, {.mss = ours,
                                                        .sack_permitted = content.sack,
                                                        .window_scale = content.scaling,
                                                        .wscale = c.rcv_scale,
                                                        .timestamps = content.timestamps,
                                                        .tsval = SynCookies::stamp(clock, content),
                                                        .tsecr = s.tsval});
  const auto flags =
      static_cast<std::uint8_t>(wire::syn | wire::ack | (content.ecn ? wire::ece : 0));
  const auto wnd = static_cast<std::uint16_t>(
      syn_window(c.listener_options[listener].recv_buffer.value_or(c.config.recv_buffer)));
  ++c.counters.cookies_sent;
  reply(c, s, frame, iss, Seq{s.seq} + 1, flags, wnd, {options.data(), size});
}

// A child begins with the options that were set for its listener's children.
void take_listener_options(Context& c, std::uint32_t index) {
  const ConnectionOptions& options = c.listener_options[c.tcbs[index].listener];
  if (options.any()) set_options(c, index, options);
}

// The connection that the ACK of a cookie completes: as if its SYN had just been answered.
void open_from_cookie(Context& c, std::uint16_t listener, const wire::Segment& s,
                      const Frame& frame, const Cell& opening, const CookieContent& content) {
  Way way;
  if (const Drop why = find_way(c, s, frame, way); why != Drop::none) return c.count_drop(why);
  const std::uint32_t index =
      create(c, s.key, whole_addresses(s, frame), s.hash, opening, way.hop, way.mss);
  if (index == TcbPool::none) {
    // The peer believes that it is connected; it must not wait for an answer that never comes.
    c.count_drop(Drop::cookie_no_slot);
    return reply_reset(c, s, frame);
  }
  ++c.counters.cookies_good;
  ++c.counters.passive_opens;
  Tcb& t = c.tcbs[index];
  t.set_syn_mac(way.mac);
  t.set(Flag::passive | (content.timestamps ? unsigned{Flag::timestamps} : 0u) |
        (content.scaling ? unsigned{Flag::scaling} : 0u) |
        (content.sack ? unsigned{Flag::sack} : 0u) | (content.ecn ? unsigned{Flag::ecn} : 0u));
  if (content.scaling) t.set_scales(c.rcv_scale, content.wscale);
  t.listener = listener & 0x3ffu;
  half_open_begins(c, t);
  t.snd_una = Seq{s.ack} + 0xffff'ffffu;  // the cookie
  t.snd_nxt = Seq{s.ack};
  t.rcv_nxt = t.last_ack_sent = Seq{s.seq};
  t.mss = static_cast<std::uint16_t>(std::min(way.mss, content.mss) -
                                     (content.timestamps ? timestamps_size : 0));
  t.ts_recent = s.tsval;
  t.ts_recent_at = c.clock.epoch;
  take_listener_options(c, index);
  t.rcv_adv = t.rcv_nxt + syn_window(recv_buffer(c, t));  // as send_cookie() said
  input_segment(c, index, s, frame);
}

}  // namespace

void input_unmatched(Context& c, const wire::Segment& s, const Frame& frame) {
  const Address local = local_address(s.key, whole_addresses(s, frame));
  if (!c.interfaces.is_local(local)) return c.count_drop(Drop::ip_not_for_us);
  const Address remote = remote_address(s.key, whole_addresses(s, frame));
  if (!c.interfaces.is_station(remote)) return c.count_drop(Drop::ip_bad_source);
  if (c.interfaces.is_local(remote) && c.interfaces.is_impostor(frame, remote)) [[unlikely]]
    return c.count_drop(Drop::ip_own_source);
  const std::uint16_t listener = c.listeners.find(local, s.key.local_port);
  const bool listening = listener != flow::Listeners::none;
  const std::optional<CookieContent> cookie = listening ? returned_cookie(c, s) : std::nullopt;
  const StateEvent event = cookie ? StateEvent::ack_of_syn : event_of(s);
  // What belongs to nobody here may be a sibling's: all but a SYN, and that too if we drain.
  const bool may_be_ours = cookie || (event == StateEvent::syn && !c.draining);
  if (!may_be_ours && forward(c, s, frame, local)) return;
  if (event == StateEvent::syn && c.draining) return c.count_drop(Drop::syn_draining);
  const Cell& cell = raise(listening ? State::listen : State::closed, event);
  if ((cell.acts & Act::new_child) != 0) {
    if (cookie) {
      open_from_cookie(c, listener, s, frame, cell, *cookie);
    } else {
      open_passive(c, listener, s, frame, cell, nullptr);
    }
    return;
  }
  c.count_drop(event == StateEvent::reset ? Drop::tcp_reset_unmatched : Drop::tcp_no_connection);
  if ((cell.acts & Act::send_rst) != 0) reply_reset(c, s, frame);
}

bool open_passive(Context& c, std::uint16_t listener, const wire::Segment& s, const Frame& frame,
                  const Cell& opening, const Seq* beyond) {
  const auto refuse = [&c](Drop why) {
    c.count_drop(why);
    return false;
  };
  if (c.draining) return refuse(Drop::syn_draining);  // a record of TIME_WAIT stays
  if (s.payload_length > 0) c.count_drop(Drop::tcp_syn_text);
  if (slots_full(c)) return refuse(Drop::syn_overload);
  if (half_open_full(c, c.listeners[listener])) {
    // The record of TIME_WAIT that a SYN would take the place of stays: nothing is kept here.
    if (!c.config.syn_cookies || beyond != nullptr) return refuse(Drop::syn_backlog_full);
    send_cookie(c, listener, s, frame);
    return false;
  }
  Way way;
  if (const Drop why = find_way(c, s, frame, way); why != Drop::none) return refuse(why);
  const std::uint32_t index =
      create(c, s.key, whole_addresses(s, frame), s.hash, opening, way.hop, way.mss);
  if (index == TcbPool::none) return refuse(Drop::syn_overload);
  ++c.counters.passive_opens;
  Tcb& t = c.tcbs[index];
  t.set_syn_mac(way.mac);
  t.set(Flag::passive);
  t.listener = listener & 0x3ffu;
  half_open_begins(c, t);
  if (beyond != nullptr && t.snd_una <= *beyond) {
    t.snd_una = *beyond + 1;
    t.snd_nxt = t.snd_una + 1;
  }
  t.rcv_nxt = Seq{s.seq} + 1;
  t.snd_wnd = s.wnd;
  offer_options(c, t);
  agree_options(c, t, s);
  take_listener_options(c, index);
  t.rcv_adv = t.rcv_nxt + syn_window(recv_limit(c, t));
  // Nothing of the application's can ride on a SYN,ACK: it leaves at once, if there is a way out.
  t.set(Flag::emit_syn);
  if (c.interfaces.has_room_for_output(c.interfaces.neighbours().port(way.hop), c.clock.now)) {
    output_syn(c, index);
  } else {
    c.queue_output(index);
  }
  return true;
}

}  // namespace salut::tcp
