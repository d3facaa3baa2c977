// The application's calls on listeners and connections, except those for data (engine_data.cpp),
// connect() (active_opens.cpp) and info() (engine_info.cpp).
#include <algorithm>

#include "stack/engine.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/raise.hpp"
#include "tcp/socket_options.hpp"
#include "tcp/timers.hpp"

namespace salut::stack {

using tcp::Flag;
using tcp::Tcb;

tl::expected<std::uint16_t, Errc> Engine::listen(Endpoint local, std::uint32_t backlog,
                                                 const ConnectionOptions& options) {
  if (backlog == 0 || !tcp::valid_options(options)) return tl::unexpected(Errc::invalid_argument);
  const Address address = Address::of(local.address);
  if (!address.is_any() && !c_.interfaces.is_local(address)) return tl::unexpected(Errc::no_route);
  const std::uint16_t port = net16(local.port != 0 ? local.port : free_port());
  if (port == 0) return tl::unexpected(Errc::no_port);
  const bool exists = c_.listeners.find_exact(address, port) != flow::Listeners::none;
  const tcp::Cell& cell =
      tcp::raise(exists ? State::listen : State::closed, tcp::StateEvent::open_passive);
  if ((cell.acts & tcp::Act::error) != 0) return tl::unexpected(Errc::in_use);
  const std::uint16_t index = c_.listeners.add(address, port, backlog);
  if (index == flow::Listeners::none) return tl::unexpected(Errc::overload);
  c_.listener_options[index] = options;
  ++c_.counters.states[static_cast<std::size_t>(cell.to)];
  ++c_.counters.states_entered[static_cast<std::size_t>(cell.to)];
  note_peaks();
  return index;
}

// One on which nobody listens, of the dynamic ports (RFC 6335 §6); 0: there is none.
std::uint16_t Engine::free_port() {
  constexpr std::uint32_t first = 49'152;
  constexpr std::uint32_t count = 65'536 - first;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto port = static_cast<std::uint16_t>(first + next_port_++ % count);
    if (c_.listeners.is_free(net16(port))) return port;
  }
  return 0;
}

tl::expected<Endpoint, Errc> Engine::local_endpoint(std::uint16_t listener) const {
  if (!c_.listeners.valid(listener)) return tl::unexpected(Errc::invalid_argument);
  const flow::ListenerSlot& slot = c_.listeners[listener];
  return Endpoint{slot.address.ip(), net16(slot.port)};
}

Errc Engine::unlisten(std::uint16_t listener) {
  if (!c_.listeners.valid(listener)) return Errc::invalid_argument;
  end_listener(listener, tcp::StateEvent::close);
  return Errc::ok;
}

// Ends a listener by CLOSE, or by an active OPEN on it.
void Engine::end_listener(std::uint16_t listener, tcp::StateEvent event) {
  tcp::raise(State::listen, event);
  // Handshakes under way are reset. This is rare, so that a walk over all slots will do.
  for (std::uint32_t i = 0; c_.listeners[listener].half_open > 0 && i < c_.tcbs.size(); ++i) {
    const Tcb& t = c_.tcbs[i];
    if (t.state == State::syn_received && t.has(Flag::passive) && t.listener == listener &&
        t.ending == 0) {
      tcp::apply_call(c_, i, tcp::StateEvent::abort);
    }
  }
  c_.listeners.remove(listener);
  --c_.counters.states[static_cast<std::size_t>(State::listen)];
}

tl::expected<Endpoint, Errc> Engine::take_listener(std::uint16_t listener) {
  if (!c_.listeners.valid(listener)) return tl::unexpected(Errc::invalid_argument);
  const flow::ListenerSlot& slot = c_.listeners[listener];
  const Endpoint local{slot.address.ip(), net16(slot.port)};
  end_listener(listener, tcp::StateEvent::open_active);
  return local;
}

tl::expected<Connection, Errc> Engine::connect(const Endpoint& remote, const Endpoint& local,
                                               std::uint64_t user, Instant now,
                                               const ConnectionOptions& options) {
  set_now(now);
  return active_opens_.connect(c_, remote, local, user, options);
}

std::uint32_t Engine::find(Connection connection) const {
  if (connection.slot() >> Connection::slot_bits != c_.stack_id) return tcp::TcbPool::none;
  const std::uint32_t index = slot_of(connection);
  if (index >= c_.tcbs.size()) return tcp::TcbPool::none;
  const Tcb& t = c_.tcbs[index];
  if (t.generation != connection.generation() || t.ending != 0 || t.has(Flag::closed_reported))
    return tcp::TcbPool::none;
  if (t.state == State::closed && !t.has(Flag::finished)) return tcp::TcbPool::none;
  return index;
}

Errc Engine::close_sending(std::uint32_t index) {
  Tcb& t = c_.tcbs[index];
  // RFC 9293 §3.10.4 would fail the SENDs that wait in SYN_SENT, but write() has taken them. So
  // CLOSE waits too: input_syn_sent() raises it once the peer has answered.
  if (t.state == State::syn_sent && t.has(Flag::data_ready) && t.send.bytes > 0) {
    t.set(Flag::fin_wanted);
    t.clear(Flag::write_blocked);
    return Errc::ok;
  }
  const unsigned acts = tcp::apply_call(c_, index, tcp::StateEvent::close);
  return (acts & tcp::Act::error) != 0 ? Errc::not_connected : Errc::ok;
}

Errc Engine::shutdown(Connection connection) {
  const std::uint32_t index = find(connection);
  if (index == tcp::TcbPool::none) return Errc::not_connected;
  if (c_.tcbs[index].has(Flag::fin_wanted)) return Errc::not_writable;
  return close_sending(index);
}

Errc Engine::close(Connection connection) {
  const std::uint32_t index = find(connection);
  if (index == tcp::TcbPool::none) return Errc::not_connected;
  Tcb& t = c_.tcbs[index];
  if (t.has(Flag::user_closed)) return Errc::not_connected;
  const bool unread = t.has(Flag::data_ready) && t.recv.bytes > 0;
  t.set(Flag::user_closed);
  if (t.state == State::closed || t.state == State::time_wait) {  // only unread data kept it
    c_.queue_output(index);
    return Errc::ok;
  }
  const bool hard = t.has(Flag::data_ready) && c_.stream(t).linger_ms == 0;
  if (unread || hard) {
    // RFC 2525 §2.17: received bytes that nobody will read are lost, and a RST tells the sender so.
    // With linger 0 the application wants the RST.
    tcp::apply_call(c_, index, tcp::StateEvent::abort);
    return Errc::ok;
  }
  const Errc result = close_sending(index);
  if (t.state == State::fin_wait_2) tcp::set_timer(c_, index, c_.config.fin_wait_2);
  if (result == Errc::ok && t.has(Flag::data_ready)) {
    tcp::start_linger(c_, index);
    tcp::watch_orphan(c_, index);
  }
  return result;
}

Errc Engine::abort(Connection connection) {
  const std::uint32_t index = find(connection);
  if (index == tcp::TcbPool::none) return Errc::not_connected;
  if (c_.tcbs[index].has(Flag::finished)) {  // CLOSED already
    tcp::end_later(c_, index, Reason::aborted, false);
  } else {
    tcp::apply_call(c_, index, tcp::StateEvent::abort);
  }
  return Errc::ok;
}

Errc Engine::set_options(std::uint16_t listener, const ConnectionOptions& options) {
  if (!c_.listeners.valid(listener) || !tcp::valid_options(options)) return Errc::invalid_argument;
  c_.listener_options[listener] = options;
  return Errc::ok;
}

Errc Engine::set_options(Connection connection, const ConnectionOptions& options) {
  const std::uint32_t index = find(connection);
  if (index == tcp::TcbPool::none) return Errc::not_connected;
  if (!tcp::valid_options(options)) return Errc::invalid_argument;
  tcp::set_options(c_, index, options);
  return Errc::ok;
}

Errc Engine::set_timer(Connection connection, Duration after) {
  const std::uint32_t index = find(connection);
  if (index == tcp::TcbPool::none) return Errc::not_connected;
  return tcp::set_owner_timer(c_, index, after);
}

Errc Engine::cancel_timer(Connection connection) {
  const std::uint32_t index = find(connection);
  if (index == tcp::TcbPool::none) return Errc::not_connected;
  const Tcb& t = c_.tcbs[index];
  if (t.has(Flag::data_ready)) c_.stream(t).owner_timer_at = 0;
  return Errc::ok;
}

Errc Engine::set_user(Connection connection, std::uint64_t user) {
  const std::uint32_t index = find(connection);
  // It is over, but its `closed` may be in this batch: who forgets by `user` is told there.
  if (index == tcp::TcbPool::none)
    return name_events(connection, user) ? Errc::ok : Errc::not_connected;
  Tcb& t = c_.tcbs[index];
  t.user = user;
  // A connection that has moved no byte and no FIN had only the event that it is told of.
  const bool more = t.has(Flag::data_ready | Flag::fin_received) ||
                    c_.counters.icmp_errors != icmp_errors_before_;
  if (more) name_events(connection, user);
  return Errc::ok;
}

// The events of this turn that the application has not come to yet carry `user` too. Those of a
// connection follow its `accepted`. False: it has none.
bool Engine::name_events(Connection connection, std::uint64_t user) {
  bool any = false;
  for (unsigned i = c_.event_count; i-- > 0;) {
    Event& event = c_.events[i];
    if (event.connection != connection) continue;
    event.user = user;
    any = true;
    if (event.has(Event::accepted)) break;
  }
  return any;
}

tl::expected<std::uint64_t, Errc> Engine::user(Connection connection) const {
  const std::uint32_t index = find(connection);
  if (index == tcp::TcbPool::none) return tl::unexpected(Errc::not_connected);
  return c_.tcbs[index].user;
}

}  // namespace salut::stack
