#include "stack/active_opens.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

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

// Three compares of words, where a defaulted one calls memcmp().
bool is_same(const Endpoint& left, const Endpoint& right) {
  std::array<std::uint64_t, 2> a;
  std::array<std::uint64_t, 2> b;
  std::memcpy(a.data(), left.address.bytes().data(), sizeof(a));
  std::memcpy(b.data(), right.address.bytes().data(), sizeof(b));
  return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (left.port ^ right.port)) == 0;
}

}  // namespace

ActiveOpens::ActiveOpens(const tcp::Context& c, std::uint64_t seed)
    : ports_(tcp::derived_seed(seed, tcp::SeedFor::source_ports)) {
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

flow::LocalWish ActiveOpens::wish(const AddressPair& whole) const {
  return {to_->source, to_->from32, net16(to_->local.port), to_->ip6 ? &whole : nullptr};
}

// Makes the key of a connection, its hash, and for IPv6 its local address: SourcePorts gives an
// IPv6 source as a number.
const ActiveOpens::Candidate& ActiveOpens::candidate(const tcp::Context& c, const Key& chosen,
                                                     std::uint64_t step) {
  Candidate& made = candidates_[step % connects_ahead];
  if (made.step == step) return made;
  made.step = step;
  made.key = chosen;
  if (to_->ip6) {
    made.from = to_->from.is_any() ? ports_.address6(net32(chosen.local_addr)) : to_->from;
    made.key = c.fold.key(whole(made), chosen.remote_port, chosen.local_port);
  }
  made.hash = c.hash(made.key);
  return made;
}

// A bucket that was not touched for a minute costs a cache miss and a page walk. Even a prefetch
// waits for the page walk, but those of several prefetches in a row overlap: so this prefetches
// eight at a time. It starts at the second open in one turn, because then more will follow.
void ActiveOpens::prefetch_next(const tcp::Context& c, const flow::LocalWish& wish) {
  const bool again = std::exchange(opened_, true);
  const std::uint64_t group = ports_.step() / connects_ahead;
  if (!again || group == prefetched_) return;
  prefetched_ = group;
  ports_.peek_all(to_->to32, to_->remote_port, wish,
                  [&](const Key& next, std::uint64_t step) { candidate(c, next, step); });
  for (const Candidate& next : candidates_) c.flows.prefetch(next.hash);
}

const ActiveOpens::Candidate* ActiveOpens::choose_port(tcp::Context& c) {
  const bool named = to_->local.port != 0;
  const AddressPair ends{to_->to, to_->from};
  const flow::LocalWish wanted = wish(ends);
  const Candidate* chosen = nullptr;
  const auto in_use = [&](const Key& tried, std::uint64_t step) {
    const Candidate& next = candidate(c, tried, step);
    const AddressPair pair = whole(next);
    const AddressPair* addresses = to_->ip6 ? &pair : nullptr;
    if (named && !is_home(c.interfaces.interface(to_->port), addresses, next.key)) return true;
    const std::uint32_t found = tcp::find_connection(c, next.hash, next.key, addresses);
    if (found != flow::Table::none && !may_open(c, found)) return true;
    chosen = &next;
    return false;
  };
  Key key;
  if (!ports_.choose(to_->to32, to_->remote_port, wanted, in_use, key)) return nullptr;
  return chosen;
}

// Works out what follows from the two ends.
tl::expected<ActiveOpens::Destination, Errc> ActiveOpens::resolve(const tcp::Context& c,
                                                                  const Endpoint& remote,
                                                                  const Endpoint& local) {
  Destination to;
  to.remote = remote;
  to.local = local;
  to.to = Address::of(remote.address);
  to.from = Address::of(local.address);
  to.remote_port = net16(remote.port);
  to.ip6 = remote.address.is_v6();
  if (remote.port == 0 || !c.interfaces.is_station(to.to)) {
    return tl::unexpected(Errc::invalid_argument);
  }
  if (!to.from.is_any() && to.from.is_v4() == to.ip6) {
    return tl::unexpected(Errc::invalid_argument);
  }
  if (!to.from.is_any() && !c.interfaces.is_local(to.from)) return tl::unexpected(Errc::no_route);
  const auto route = c.interfaces.route(to.to);
  if (!route) return tl::unexpected(Errc::no_route);
  to.port = route->port;
  to.next_hop = route->next_hop;
  // A link-local destination must be talked to from a link-local address.
  if (to.ip6 && to.from.is_any() && to.to.is_link_local()) {
    to.from = c.interfaces.source_for(route->port, to.to);
  }
  to.to32 = to.ip6 ? c.fold(to.to) : to.to.v4();
  to.from32 = to.from.is_any() ? 0
              : to.ip6         ? c.fold(to.from) | 1
                               : to.from.v4();  // not 0, which is any
  to.source = route->port + (to.ip6 ? sources6_at : 0);
  to.mss = tcp::port_mss(c.interfaces.interface(route->port).mtu, to.ip6);
  return to;
}

tl::expected<Connection, Errc> ActiveOpens::connect(tcp::Context& c, const Endpoint& remote,
                                                    const Endpoint& local, std::uint64_t user,
                                                    const ConnectionOptions& options) {
  const bool special = options.any();
  if (special && !tcp::valid_options(options)) return tl::unexpected(Errc::invalid_argument);
  if (!to_ || !is_same(to_->remote, remote) || !is_same(to_->local, local)) {
    to_.reset();
    candidates_.fill({});
    const auto resolved = resolve(c, remote, local);
    if (!resolved) return tl::unexpected(resolved.error());
    to_ = *resolved;
  }
  to_->hop = c.interfaces.neighbours().find_again(to_->hop, to_->port, to_->next_hop);
  if (to_->hop == ip::Neighbours::none) return tl::unexpected(Errc::overload);
  const Candidate* chosen = choose_port(c);
  if (chosen == nullptr) return tl::unexpected(Errc::no_port);
  const AddressPair pair = whole(*chosen);
  const tcp::Cell& opening = tcp::raise(State::closed, tcp::StateEvent::open_active);
  const std::uint32_t index = tcp::create(c, chosen->key, to_->ip6 ? &pair : nullptr, chosen->hash,
                                          opening, to_->hop, to_->mss);
  const AddressPair ends{to_->to, to_->from};
  prefetch_next(c, wish(ends));
  if (index == tcp::TcbPool::none) return tl::unexpected(Errc::overload);
  Tcb& t = c.tcbs[index];
  t.user = user;
  tcp::offer_options(c, t);
  if (special) tcp::set_options(c, index, options);
  t.set(Flag::emit_syn);
  c.queue_output(index);
  ++c.counters.active_opens;
  return c.handle(index);
}

}  // namespace salut::stack
