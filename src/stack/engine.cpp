#include "stack/engine.hpp"

#include <algorithm>
#include <array>

#include "tcp/addresses.hpp"
#include "tcp/input.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/mss.hpp"
#include "tcp/options.hpp"
#include "tcp/output.hpp"
#include "tcp/socket_options.hpp"
#include "tcp/timeouts.hpp"
#include "tcp/timers.hpp"
#include "wire/parse.hpp"

namespace salut::stack {

using tcp::Flag;
using tcp::Tcb;

namespace {
constexpr Duration neighbour_period = std::chrono::milliseconds{100};
constexpr unsigned connects_ahead = flow::SourcePorts::ahead_max;
}  // namespace

Engine::Engine(const StackConfig& config, std::vector<ip::Interface> interfaces, FramePool& pool,
               Memory& memory, std::uint64_t seed, std::uint8_t stack_id, Instant start)
    : c_(config, std::move(interfaces), pool, memory, seed, stack_id, start),
      neighbours_due_(start) {
  c_.interfaces.set_unresolved_listener(this);
}

Engine::~Engine() { c_.interfaces.set_unresolved_listener(nullptr); }

std::span<const Event> Engine::poll(Instant now) {
  c_.set_now(now);
  c_.event_count = 0;

  c_.interfaces.flush(now);  // what found no room in the last turn
  bool busy = c_.interfaces.sent_something();
  const bool unsent = tcp::flush_outputs(c_);  // what the application made ready
  c_.interfaces.flush(now);
  busy |= c_.interfaces.sent_something();

  busy |= receive();  // a burst of each port through the whole protocol
  tcp::run_timers(c_);
  if (now >= neighbours_due_) {
    neighbours_due_ = now + neighbour_period;
    c_.interfaces.advance(now);
    c_.counters.siblings_alive = c_.interfaces.siblings().alive(now);
  }

  // With events to handle, ACKs wait for what the application answers; without, nothing waits.
  if (c_.event_count == 0 || !c_.config.coalesce) tcp::flush_outputs(c_);
  c_.interfaces.flush(now);
  c_.interfaces.release_spare();

  saturated_ = unsent || c_.more_to_receive;
  busy_ = busy || c_.interfaces.sent_something() || c_.event_count > 0;
  if (busy_) note_peaks();
  return {c_.events.data(), c_.event_count};
}

bool Engine::receive() {
  bool any = false;
  bool full = false;
  std::array<Frame, tcp::burst> frames;
  for (unsigned port = 0; port < c_.interfaces.count(); ++port) {
    if (!c_.interfaces.has_room_for_answers(port, tcp::burst, c_.now)) [[unlikely]]
      continue;
    const unsigned n = c_.interfaces.receive(port, frames.data(), tcp::burst);
    if (n == 0) continue;
    tcp::input(c_, frames.data(), n);
    any = true;
    full |= c_.interfaces.burst_was_full();
  }
  c_.more_to_receive = full;
  return any;
}

void Engine::note_peaks() {
  Counters& counters = c_.counters;
  for (std::size_t s = 0; s < state_count; ++s) {
    counters.states_peak[s] = std::max(counters.states_peak[s], counters.states[s]);
  }
  const std::uint64_t sockets =
      counters.open_connections() + counters.states[static_cast<std::size_t>(State::time_wait)];
  counters.sockets_peak = std::max(counters.sockets_peak, sockets);
}

std::optional<Instant> Engine::next_timer() const {
  if (!c_.outputs.empty()) return c_.now;
  std::optional<Tick> tick = c_.wheel.next();
  if (const auto other = c_.time_wait.next(); other && (!tick || *other < *tick)) tick = other;
  std::optional<Instant> next = c_.interfaces.neighbours().next_retry();
  if (const auto probe = c_.interfaces.siblings().next_probe()) {
    next = next ? std::min(*next, *probe) : *probe;
  }
  if (next) next = std::max(*next, neighbours_due_);
  if (tick) {
    const std::int64_t ahead = std::max<std::int32_t>(*tick - tick_of(c_.now), 0);
    const std::int64_t base = c_.now.time_since_epoch().count() >> tick_shift;
    const Instant at{Duration{(base + ahead) << tick_shift}};
    next = next ? std::min(*next, at) : at;
  }
  return next ? std::optional(std::max(c_.now, *next)) : std::nullopt;
}

tl::expected<std::uint16_t, Errc> Engine::listen(Endpoint local, std::uint32_t backlog,
                                                 const ConnectionOptions& options) {
  if (local.port == 0 || backlog == 0 || !tcp::valid_options(options))
    return tl::unexpected(Errc::invalid_argument);
  const Address address = Address::of(local.address);
  const std::uint16_t port = net16(local.port);
  if (!address.is_any() && !c_.interfaces.is_local(address)) return tl::unexpected(Errc::no_route);
  if (c_.listeners.find_exact(address, port) != flow::Listeners::none) {
    return tl::unexpected(Errc::in_use);
  }
  const std::uint16_t index = c_.listeners.add(address, port, backlog);
  if (index == flow::Listeners::none) return tl::unexpected(Errc::overload);
  c_.listener_options[index] = options;
  ++c_.counters.states[static_cast<std::size_t>(State::listen)];
  ++c_.counters.states_entered[static_cast<std::size_t>(State::listen)];
  note_peaks();
  return index;
}

Errc Engine::unlisten(std::uint16_t listener) {
  if (!c_.listeners.valid(listener)) return Errc::invalid_argument;
  // LISTEN, CLOSE: handshakes under way are reset (rare, so a walk over the slots will do).
  for (std::uint32_t i = 0; c_.listeners[listener].half_open > 0 && i < c_.tcbs.size(); ++i) {
    Tcb& t = c_.tcbs[i];
    if (t.state == State::syn_received && t.has(Flag::passive) && t.listener == listener &&
        t.ending == 0) {
      tcp::set_state(c_, t, tcp::step(t.state, tcp::StateEvent::abort).to);
      end(i, Reason::aborted, true);
    }
  }
  c_.listeners.remove(listener);
  --c_.counters.states[static_cast<std::size_t>(State::listen)];
  return Errc::ok;
}

tl::expected<Endpoint, Errc> Engine::take_listener(std::uint16_t listener) {
  if (!c_.listeners.valid(listener)) return tl::unexpected(Errc::invalid_argument);
  const flow::ListenerSlot& slot = c_.listeners[listener];
  const Endpoint local{slot.address.ip(), net16(slot.port)};
  unlisten(listener);
  return local;
}

namespace {

// The two ends of an active open: what is known of them before a port is chosen, and the key then.
struct Opening {
  Address to;
  Address from;  // any: whatever is free
  std::uint16_t remote_port = 0;
  flow::LocalWish wish;
  Key key;
  AddressPair whole;  // of IPv6
  bool ip6 = false;
  bool named = false;      // the local port was asked for
  std::uint16_t port = 0;  // interface

  const AddressPair* addresses() const { return ip6 ? &whole : nullptr; }
};

// SourcePorts gave an IPv6 source as a number: the key of the connection and its whole addresses.
Key complete(const tcp::Context& c, Opening& o, const Key& chosen) {
  if (!o.ip6) return chosen;
  o.whole.remote = o.to;
  o.whole.local = o.from.is_any() ? c.ports.address6(net32(chosen.local_addr)) : o.from;
  return c.fold.key(o.whole, chosen.remote_port, chosen.local_port);
}

// A bucket nobody has touched for a minute is a cache miss, and a walk of the page tables that even
// a prefetch waits for; several asked for at once are walked at once. Who opens a second connection
// in one turn opens more.
void prefetch_connects(tcp::Context& c, const Opening& o, std::uint32_t to) {
  const bool again = c.connected_at == c.now;
  c.connected_at = c.now;
  const std::uint64_t group = c.ports.step() / connects_ahead;
  if (!again || group == c.connects_asked) return;
  c.connects_asked = group;
  std::array<std::uint64_t, connects_ahead> hashes;
  for (unsigned i = 0; i < connects_ahead; ++i) {
    Opening next = o;
    hashes[i] = c.hash(complete(c, next, c.ports.peek(to, o.remote_port, o.wish, i)));
  }
  for (const std::uint64_t hash : hashes) c.flows.prefetch(hash);
}

// Does what comes back to a port that was asked for by its number come to this worker?
bool is_home(const tcp::Context& c, const Opening& o, const Key& key) {
  const ip::Interface& interface = c.interfaces.interface(o.port);
  if (interface.steering == nullptr) return true;
  const flow::Ends ends =
      o.ip6 ? flow::Ends{o.whole.remote, o.whole.local, key.remote_port, key.local_port}
            : flow::Ends{Address::v4(key.remote_addr), Address::v4(key.local_addr), key.remote_port,
                         key.local_port};
  return interface.steering->worker_of(ends) == interface.steered_as;
}

bool choose_port(tcp::Context& c, Opening& o) {
  const std::uint32_t to = o.ip6 ? c.fold(o.to) : o.to.v4();
  const auto in_use = [&](const Key& tried) {
    const Key key = complete(c, o, tried);
    if (o.named && !is_home(c, o, key)) return true;
    return tcp::find_connection(c, c.hash(key), key, o.addresses()) != flow::Table::none;
  };
  Key chosen;
  if (!c.ports.choose(to, o.remote_port, o.wish, in_use, chosen)) return false;
  o.key = complete(c, o, chosen);
  prefetch_connects(c, o, to);
  return true;
}

}  // namespace

tl::expected<Connection, Errc> Engine::connect(Endpoint remote, Endpoint local, std::uint64_t user,
                                               Instant now, const ConnectionOptions& options) {
  if (!tcp::valid_options(options)) return tl::unexpected(Errc::invalid_argument);
  Opening o;
  o.to = Address::of(remote.address);
  o.from = Address::of(local.address);
  o.remote_port = net16(remote.port);
  o.ip6 = remote.address.is_v6();
  if (remote.port == 0 || !c_.interfaces.is_station(o.to))
    return tl::unexpected(Errc::invalid_argument);
  if (!o.from.is_any() && o.from.is_v4() == o.ip6) return tl::unexpected(Errc::invalid_argument);
  c_.set_now(std::max(c_.now, now));
  if (!o.from.is_any() && !c_.interfaces.is_local(o.from)) return tl::unexpected(Errc::no_route);
  const auto route = c_.interfaces.route(o.to);
  if (!route) return tl::unexpected(Errc::no_route);
  const std::uint16_t hop = c_.interfaces.neighbours().find_or_add(route->port, route->next_hop);
  if (hop == ip::Neighbours::none) return tl::unexpected(Errc::overload);

  // Whom only the link can reach must hear from an address that only the link can reach.
  if (o.ip6 && o.from.is_any() && o.to.is_link_local()) {
    o.from = c_.interfaces.source_for(route->port, o.to);
  }
  const std::uint32_t from = o.from.is_any() ? 0
                             : o.ip6         ? c_.fold(o.from) | 1
                                             : o.from.v4();  // not 0, which is any
  o.port = route->port;
  o.named = local.port != 0;
  o.whole = {o.to, o.from};
  o.wish = {route->port + (o.ip6 ? tcp::Context::sources6_at : 0), from, net16(local.port),
            o.ip6 ? &o.whole : nullptr};
  if (!choose_port(c_, o)) return tl::unexpected(Errc::no_port);
  const std::uint16_t mss = tcp::port_mss(c_.interfaces.interface(route->port).mtu, o.ip6);
  const std::uint32_t index =
      tcp::create(c_, o.key, o.addresses(), c_.hash(o.key), State::syn_sent, hop, mss);
  if (index == tcp::TcbPool::none) return tl::unexpected(Errc::overload);
  Tcb& t = c_.tcbs[index];
  t.user = user;
  tcp::offer_options(c_, t);
  if (options.any()) tcp::set_options(c_, index, options);
  t.set(Flag::emit_syn);
  const Instant quiet_until = c_.started + c_.config.msl;
  if (c_.config.quiet_time && c_.now < quiet_until) {
    tcp::set_timer(c_, index, quiet_until - c_.now);  // the SYN leaves then
  } else {
    c_.queue_output(index);
  }
  ++c_.counters.active_opens;
  return c_.handle(index);
}

std::uint32_t Engine::find(Connection connection) const {
  const std::uint32_t index = connection.slot() & ((1u << tcp::slot_bits) - 1);
  if (connection.slot() >> tcp::slot_bits != c_.stack_id) return tcp::TcbPool::none;
  if (index >= c_.tcbs.size()) return tcp::TcbPool::none;
  const Tcb& t = c_.tcbs[index];
  if (t.generation != connection.generation() || t.ending != 0 || t.has(Flag::closed_reported))
    return tcp::TcbPool::none;
  if (t.state == State::closed && !t.has(Flag::finished)) return tcp::TcbPool::none;
  return index;
}

Errc Engine::close_sending(std::uint32_t index) {
  Tcb& t = c_.tcbs[index];
  const tcp::Cell& cell = tcp::step(t.state, tcp::StateEvent::close);
  if ((cell.acts & tcp::Act::error) != 0) return Errc::not_connected;
  if (cell.to != t.state) tcp::set_state(c_, t, cell.to);
  if ((cell.acts & tcp::Act::send_fin) != 0) {
    t.set(Flag::fin_wanted);
    t.clear(Flag::write_blocked);
    c_.queue_output(index);
  }
  if ((cell.acts & tcp::Act::release) != 0) end(index, Reason::closed, false);
  return Errc::ok;
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
  if (t.state == State::closed || t.state == State::time_wait) {  // only the reader was not done
    c_.queue_output(index);
    return Errc::ok;
  }
  const bool hard = t.has(Flag::data_ready) && c_.stream(t).linger_ms == 0;
  if (unread || hard) {
    // Asked for, or RFC 2525 §2.17: bytes that nobody will read are lost, and the sender is told.
    const tcp::Cell& cell = tcp::step(t.state, tcp::StateEvent::abort);
    tcp::set_state(c_, t, cell.to);
    end(index, Reason::aborted, (cell.acts & tcp::Act::send_rst) != 0);
    return Errc::ok;
  }
  const Errc result = close_sending(index);
  if (t.state == State::fin_wait_2) tcp::set_timer(c_, index, c_.config.fin_wait_2);
  if (result == Errc::ok) tcp::start_linger(c_, index);
  return result;
}

Errc Engine::abort(Connection connection) {
  const std::uint32_t index = find(connection);
  if (index == tcp::TcbPool::none) return Errc::not_connected;
  Tcb& t = c_.tcbs[index];
  const bool finished = t.has(Flag::finished);
  const tcp::Cell& cell = tcp::step(t.state, tcp::StateEvent::abort);
  if (!finished) tcp::set_state(c_, t, cell.to);
  end(index, Reason::aborted, !finished && (cell.acts & tcp::Act::send_rst) != 0);
  return Errc::ok;
}

void Engine::end(std::uint32_t index, Reason reason, bool reset) {
  Tcb& t = c_.tcbs[index];
  const auto bits = static_cast<unsigned>(reason) | (reset ? unsigned{tcp::ending_reset} : 0u);
  t.ending = bits & 0x3fu;
  tcp::clear_timer(t);
  c_.queue_output(index);
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

Errc Engine::set_user(Connection connection, std::uint64_t user) {
  const std::uint32_t index = find(connection);
  if (index == tcp::TcbPool::none) return Errc::not_connected;
  c_.tcbs[index].user = user;
  return Errc::ok;
}

// The next hop of a frame never answered: an opening connection ends, others go on to their R2.
void Engine::on_unresolved(const Frame& frame) {
  // Our own segment: turned round, it has the key of its connection.
  const std::byte* data = frame.data;
  const bool ip6 = wire::view<wire::EthernetHeader>(data).type == net16(wire::ether_type_ipv6);
  if (frame.length < (ip6 ? wire::tcp_frame_min_6 : wire::tcp_frame_min)) return;
  const std::byte* ports = data + (ip6 ? wire::tcp_at_6 : wire::tcp_at);
  Key key;
  key.local_port = wire::load<std::uint16_t>(ports);
  key.remote_port = wire::load<std::uint16_t>(ports + 2);
  AddressPair whole;
  if (ip6) {
    const auto& ip = wire::view<wire::Ipv6Header>(data + wire::ethernet_size);
    whole = {ip.destination, ip.source};
    key = c_.fold.key(whole, key.remote_port, key.local_port);
  } else {
    const auto& ip = wire::view<wire::Ipv4Header>(data + wire::ethernet_size);
    key.local_addr = ip.source;
    key.remote_addr = ip.destination;
  }
  const std::uint32_t index = tcp::find_connection(c_, c_.hash(key), key, ip6 ? &whole : nullptr);
  if (index == flow::Table::none || (index & tcp::time_wait_bit) != 0) return;
  Tcb& t = c_.tcbs[index];
  if (t.state != State::syn_sent || t.ending != 0) return;
  tcp::set_state(c_, t, tcp::step(t.state, tcp::StateEvent::retries_out).to);
  end(index, Reason::unreachable, false);
}

}  // namespace salut::stack
