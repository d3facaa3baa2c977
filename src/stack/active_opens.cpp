#include "stack/active_opens.hpp"

#include <algorithm>
#include <array>

#include "tcp/addresses.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/mss.hpp"
#include "tcp/options.hpp"
#include "tcp/raise.hpp"
#include "tcp/socket_options.hpp"

namespace salut::stack {
namespace {

using tcp::Flag;
using tcp::Tcb;

constexpr unsigned connects_ahead = flow::SourcePorts::ahead_max;
// The number of an interface in SourcePorts is its own for IPv4, and this much more for IPv6.
constexpr std::uint32_t sources6_at = 256;

// Does RSS steer replies to this local port to our worker?
bool is_home(const ip::Interface& interface, const AddressPair* whole, const Key& key) {
  if (interface.steering == nullptr) return true;
  const flow::Ends ends =
      whole != nullptr ? flow::Ends{whole->remote, whole->local, key.remote_port, key.local_port}
                       : flow::Ends{Address::v4(key.remote_addr), Address::v4(key.local_addr),
                                    key.remote_port, key.local_port};
  return interface.steering->worker_of(ends) == interface.steered_as;
}

// May an open use the two ends of the connection `found`? The table says that the OPEN of an
// existing connection is an error (RFC 9293 §3.10.1), in TIME_WAIT too. One that was aborted in
// this turn is CLOSED but still in the flow table, so that its ends are not free either.
bool may_open(const tcp::Context& c, std::uint32_t found) {
  const bool record = (found & tcp::time_wait_bit) != 0;
  const State state = record ? State::time_wait : State{c.tcbs[found].state};
  const tcp::Cell& cell = tcp::raise(state, tcp::StateEvent::open_active);
  return state != State::closed && (cell.acts & tcp::Act::error) == 0;
}

}  // namespace

// The two ends of an active open, before and after its port is chosen.
struct ActiveOpens::Opening {
  Address to;
  Address from;  // any: whichever is free
  std::uint16_t remote_port = 0;
  flow::LocalWish wish;
  Key key;
  AddressPair whole;  // IPv6 only
  bool ip6 = false;
  bool named = false;      // the caller gave the local port
  std::uint16_t port = 0;  // interface

  const AddressPair* addresses() const { return ip6 ? &whole : nullptr; }
};

ActiveOpens::ActiveOpens(const tcp::Context& c, std::uint64_t seed)
    : ports_(tcp::derived_seed(seed, 1)) {
  for (unsigned port = 0; port < c.interfaces.count(); ++port) add_sources(c, port);
}

// Active opens out of `port` come from its ranges of a family if it has any, which is how a load
// generator is configured, or else from its addresses. A link-local address is used only if the
// caller names it.
void ActiveOpens::add_sources(const tcp::Context& c, std::uint32_t port) {
  const ip::Interface& interface = c.interfaces.interface(port);
  const auto add = [&](const IpAddress& first, std::uint32_t count) {
    if (first.is_v4()) return ports_.add_range(port, first.v4(), count);
    ports_.add_range6(sources6_at + port, first, count);
  };
  if (interface.steering != nullptr) {
    for (const std::uint32_t number : {port, sources6_at + port}) {
      ports_.set_home(number, *interface.steering, interface.steered_as);
    }
  }
  for (const bool v4 : {true, false}) {
    const auto is_family = [v4](const auto& range) { return range.first.is_v4() == v4; };
    const auto& ranges = interface.ranges;
    const bool has_ranges = std::any_of(ranges.begin(), ranges.end(), is_family);
    for (const AddressRange& range : ranges) {
      if (is_family(range)) add(range.first, range.count);
    }
    for (const Prefix& prefix : interface.addresses) {
      const bool usable = prefix.address.is_v4() == v4 && !prefix.address.is_link_local();
      if (usable && !has_ranges) add(prefix.address, 1);
    }
  }
}

// Makes the key of the connection, and for IPv6 its whole addresses: SourcePorts gives an IPv6
// source as a number.
Key ActiveOpens::complete(const tcp::Context& c, Opening& o, const Key& chosen) const {
  if (!o.ip6) return chosen;
  o.whole.remote = o.to;
  o.whole.local = o.from.is_any() ? ports_.address6(net32(chosen.local_addr)) : o.from;
  return c.fold.key(o.whole, chosen.remote_port, chosen.local_port);
}

// A bucket that was not touched for a minute costs a cache miss and a page walk. Even a prefetch
// waits for the page walk, but those of several prefetches in a row overlap: so this prefetches
// eight at a time. It starts at the second open in one turn, because then more will follow.
void ActiveOpens::prefetch_next(const tcp::Context& c, const Opening& o, std::uint32_t to) {
  const bool again = last_ == c.clock.now;
  last_ = c.clock.now;
  const std::uint64_t group = ports_.step() / connects_ahead;
  if (!again || group == prefetched_) return;
  prefetched_ = group;
  std::array<std::uint64_t, connects_ahead> hashes;
  for (unsigned i = 0; i < connects_ahead; ++i) {
    Opening next = o;
    hashes[i] = c.hash(complete(c, next, ports_.peek(to, o.remote_port, o.wish, i)));
  }
  for (const std::uint64_t hash : hashes) c.flows.prefetch(hash);
}

bool ActiveOpens::choose_port(tcp::Context& c, Opening& o) {
  const std::uint32_t to = o.ip6 ? c.fold(o.to) : o.to.v4();
  const auto in_use = [&](const Key& tried) {
    const Key key = complete(c, o, tried);
    if (o.named && !is_home(c.interfaces.interface(o.port), o.addresses(), key)) return true;
    const std::uint32_t found = tcp::find_connection(c, c.hash(key), key, o.addresses());
    return found != flow::Table::none && !may_open(c, found);
  };
  Key chosen;
  if (!ports_.choose(to, o.remote_port, o.wish, in_use, chosen)) return false;
  o.key = complete(c, o, chosen);
  prefetch_next(c, o, to);
  return true;
}

tl::expected<Connection, Errc> ActiveOpens::connect(tcp::Context& c, Endpoint remote,
                                                    Endpoint local, std::uint64_t user,
                                                    const ConnectionOptions& options) {
  if (!tcp::valid_options(options)) return tl::unexpected(Errc::invalid_argument);
  Opening o;
  o.to = Address::of(remote.address);
  o.from = Address::of(local.address);
  o.remote_port = net16(remote.port);
  o.ip6 = remote.address.is_v6();
  if (remote.port == 0 || !c.interfaces.is_station(o.to))
    return tl::unexpected(Errc::invalid_argument);
  if (!o.from.is_any() && o.from.is_v4() == o.ip6) return tl::unexpected(Errc::invalid_argument);
  if (!o.from.is_any() && !c.interfaces.is_local(o.from)) return tl::unexpected(Errc::no_route);
  const auto route = c.interfaces.route(o.to);
  if (!route) return tl::unexpected(Errc::no_route);
  const std::uint16_t hop = c.interfaces.neighbours().find_or_add(route->port, route->next_hop);
  if (hop == ip::Neighbours::none) return tl::unexpected(Errc::overload);

  // A link-local destination must be talked to from a link-local address.
  if (o.ip6 && o.from.is_any() && o.to.is_link_local()) {
    o.from = c.interfaces.source_for(route->port, o.to);
  }
  const std::uint32_t from = o.from.is_any() ? 0
                             : o.ip6         ? c.fold(o.from) | 1
                                             : o.from.v4();  // not 0, which is any
  o.port = route->port;
  o.named = local.port != 0;
  o.whole = {o.to, o.from};
  o.wish = {route->port + (o.ip6 ? sources6_at : 0), from, net16(local.port),
            o.ip6 ? &o.whole : nullptr};
  if (!choose_port(c, o)) return tl::unexpected(Errc::no_port);
  const std::uint16_t mss = tcp::port_mss(c.interfaces.interface(route->port).mtu, o.ip6);
  const tcp::Cell& opening = tcp::raise(State::closed, tcp::StateEvent::open_active);
  const std::uint32_t index =
      tcp::create(c, o.key, o.addresses(), c.hash(o.key), opening, hop, mss);
  if (index == tcp::TcbPool::none) return tl::unexpected(Errc::overload);
  Tcb& t = c.tcbs[index];
  t.user = user;
  tcp::offer_options(c, t);
  if (options.any()) tcp::set_options(c, index, options);
  t.set(Flag::emit_syn);
  c.queue_output(index);
  ++c.counters.active_opens;
  return c.handle(index);
}

}  // namespace salut::stack
