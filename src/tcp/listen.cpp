// Segments for which there is no connection: LISTEN and CLOSED, RFC 9293 §3.10.7.1 and §3.10.7.2.
#include "tcp/addresses.hpp"
#include "tcp/input.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/mss.hpp"
#include "tcp/options.hpp"
#include "tcp/output.hpp"

namespace salut::tcp {
namespace {

Event event_of(const wire::Segment& s) {
  if ((s.flags & wire::rst) != 0) return Event::reset;
  if ((s.flags & wire::ack) != 0) return Event::ack_bad;
  if ((s.flags & wire::syn) != 0) return Event::syn;
  return Event::other;
}

}  // namespace

void input_unmatched(Context& c, const wire::Segment& s, const Frame& frame) {
  const flow::Address local = local_address(s.key, whole_addresses(s, frame));
  if (!c.links.is_local(local)) return c.count_drop(Drop::ip_not_for_us);
  const std::uint16_t listener = c.listeners.find(local, s.key.local_port);
  const bool listening = listener != flow::Listeners::none;
  const Event event = event_of(s);
  const Cell& cell = step(listening ? State::listen : State::closed, event);
  if ((cell.acts & Act::new_child) != 0) {
    open_passive(c, listener, s, frame, nullptr);
    return;
  }
  c.count_drop(event == Event::reset ? Drop::tcp_reset_unmatched : Drop::tcp_no_connection);
  if ((cell.acts & Act::send_rst) != 0) reply_reset(c, s, frame);
}

bool open_passive(Context& c, std::uint16_t listener, const wire::Segment& s, const Frame& frame,
                  const Seq* beyond) {
  const auto refuse = [&c](Drop why) {
    c.count_drop(why);
    return false;
  };
  flow::ListenerSlot& slot = c.listeners[listener];
  if (slot.half_open >= slot.backlog) return refuse(Drop::syn_backlog_full);
  const flow::AddressPair* whole = whole_addresses(s, frame);
  const auto route = c.links.route_back(remote_address(s.key, whole), s.port);
  if (!route) return refuse(Drop::no_route);
  const std::uint16_t hop = c.links.neighbours().find_or_add(route->port, route->next_hop);
  if (hop == stack::Neighbours::none) return refuse(Drop::syn_overload);
  const std::uint16_t ours = port_mss(c.links.interface(route->port).mtu, s.ip6);
  const std::uint32_t index = create(c, s.key, whole, s.hash, State::syn_received, hop, ours);
  if (index == stack::TcbPool::none) return refuse(Drop::syn_overload);
  ++slot.half_open;
  ++c.counters.passive_opens;
  Tcb& t = c.tcbs[index];
  t.set(Flag::passive);
  t.listener = listener & 0x3ffu;
  if (beyond != nullptr && t.snd_una <= *beyond) {
    t.snd_una = *beyond + 1;
    t.snd_nxt = t.snd_una + 1;
  }
  t.rcv_nxt = Seq{s.seq} + 1;
  t.rcv_adv = t.rcv_nxt + c.config.recv_buffer;
  t.snd_wnd = s.wnd;
  offer_options(c, t);
  agree_options(c, t, s);
  // Nothing of the application's can ride on a SYN,ACK: it leaves at once.
  output_syn(c, index);
  return true;
}

}  // namespace salut::tcp
