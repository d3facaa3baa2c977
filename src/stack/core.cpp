// The public interface of the core library: checks its arguments and calls an engine.
#include "salut/core.hpp"

#include <new>
#include <string>
#include <utility>

#include "base/limits.hpp"
#include "stack/engine.hpp"

namespace salut {

namespace {

constexpr std::uint8_t id_max = (1u << (32 - Connection::slot_bits)) - 1;

Mac mac_of(const MacAddress& bytes) { return Mac{bytes}; }

constexpr const char* mac_wanted = "a unicast address such as 02:00:00:00:00:01";

Error wrong(const std::string& key, const std::string& value, const std::string& problem,
            const std::string& want) {
  return {Errc::invalid_argument,
          key + (value.empty() ? "" : " = " + value) + ": " + problem + "; want " + want};
}

std::optional<Error> find_problem(const Interface& from, const std::string& name) {
  const auto bad = [&name](const char* key, const std::string& value, const char* problem,
                           const std::string& want) {
    return wrong(name + "." + key, value, problem, want);
  };
  if (from.device == nullptr) return bad("device", "null", "missing", "a Device");
  if (!mac_of(from.mac).is_station()) {
    return bad("mac", mac_of(from.mac).to_string(), "not the address of one station", mac_wanted);
  }
  bool has_ip6 = false;
  if (from.addresses.empty()) return bad("addresses", "", "missing", "at least one");
  for (const Prefix& prefix : from.addresses) {
    if (!is_of_hosts(prefix)) {
      return bad("addresses", prefix.to_string(), "not an address of a host",
                 "a unicast address, 10.0.0.1/24 or fd00::1/64");
    }
    has_ip6 = has_ip6 || prefix.address.is_v6();
  }
  for (const AddressRange& range : from.ranges) {
    if (!is_of_hosts(range)) {
      return bad("ranges", range.to_string(), "not addresses of hosts",
                 "unicast addresses, 10.1.0.0/16 or fd00:1::/112");
    }
    has_ip6 = has_ip6 || range.first.is_v6();
  }
  const double mtu_least = has_ip6 ? mtu_min_v6 : mtu_min;
  if (from.mtu < mtu_least || from.mtu > mtu_max) {
    return bad("mtu", std::to_string(from.mtu), "out of range", range_text(mtu_least, mtu_max));
  }
  if (from.vlan > vlan_max) {
    return bad("vlan", std::to_string(from.vlan), "out of range", range_text(0, vlan_max));
  }
  const auto is_hop = [](const IpAddress& via) { return via.is_any() || is_unicast(via); };
  if (!from.gateway.is_v4() || !is_hop(from.gateway)) {
    return bad("gateway", from.gateway.to_string(), "no gateway of IPv4",
               "the IPv4 address of one");
  }
  if (!from.gateway6.is_v6() || !is_hop(from.gateway6)) {
    return bad("gateway6", from.gateway6.to_string(), "no gateway of IPv6",
               "the IPv6 address of one");
  }
  for (const StaticRoute& route : from.routes) {
    const bool ip6 = route.to.address.is_v6();
    if (route.to.length > (ip6 ? 128 : 32)) {
      return bad("routes", route.to.to_string(), "not a prefix", "one such as 10.1.0.0/16");
    }
    if (!is_hop(route.via) || (!route.via.is_any() && route.via.is_v6() != ip6)) {
      return bad("routes", route.to.to_string() + " via " + route.via.to_string(), "no next hop",
                 "a unicast address of the same family");
    }
  }
  for (const StaticNeighbour& given : from.neighbours) {
    if (!is_unicast(given.address)) {
      return bad("neighbours", given.address.to_string(), "not an address of a host",
                 "a unicast address");
    }
    if (!mac_of(given.mac).is_station()) {
      return bad("neighbours", mac_of(given.mac).to_string(), "not the address of one station",
                 mac_wanted);
    }
  }
  return std::nullopt;
}

std::optional<Error> find_problem(const std::vector<Interface>& interfaces) {
  if (interfaces.empty() || interfaces.size() > ports_max) {
    return wrong("interfaces", std::to_string(interfaces.size()), "out of range",
                 range_text(1, static_cast<double>(ports_max)));
  }
  for (std::size_t i = 0; i < interfaces.size(); ++i) {
    if (auto found = find_problem(interfaces[i], "interfaces[" + std::to_string(i) + "]"))
      return found;
  }
  return std::nullopt;
}

ip::Interface internal(const Interface& from) {
  ip::Interface to;
  to.device = from.device;
  to.mac = mac_of(from.mac);
  to.mtu = from.mtu;
  to.vlan = from.vlan;
  to.completes_checksums = from.completes_checksums;
  to.addresses = from.addresses;
  to.ranges = from.ranges;
  to.gateway = from.gateway;
  to.gateway6 = from.gateway6;
  for (const StaticRoute& route : from.routes) to.routes.push_back({route.to, route.via});
  for (const StaticNeighbour& given : from.neighbours) {
    to.neighbours.push_back({given.address, mac_of(given.mac)});
  }
  return to;
}

}  // namespace

Result<Engine> Engine::make(const StackConfig& config, const std::vector<Interface>& interfaces,
                            FramePool& pool, Memory& memory, std::uint64_t seed, Instant start,
                            std::uint8_t id) {
  if (auto found = salut::find_problem(config)) {
    return tl::unexpected(wrong(found->key, found->value, found->problem, found->want));
  }
  if (auto found = find_problem(interfaces)) return tl::unexpected(std::move(*found));
  if (id > id_max) {
    return tl::unexpected(wrong("id", std::to_string(id), "out of range", range_text(0, id_max)));
  }
  std::vector<ip::Interface> ports;
  for (const Interface& interface : interfaces) ports.push_back(internal(interface));
  try {
    return Engine(
        std::make_unique<stack::Engine>(config, std::move(ports), pool, memory, seed, id, start));
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory,
                "no memory for connections = " + std::to_string(config.connections) +
                    ", time_wait = " + std::to_string(config.time_wait) +
                    ", buffer_blocks = " + std::to_string(config.buffer_blocks));
  }
}

Engine::Engine(std::unique_ptr<stack::Engine> impl) : impl_(std::move(impl)) {
  impl_->repeat_events(true);
}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

std::span<const Event> Engine::poll(Instant now) { return impl_->poll(now); }
bool Engine::last_poll_busy() const { return impl_->last_poll_busy(); }
std::optional<Instant> Engine::next_timer() const { return impl_->next_timer(); }

tl::expected<Listener, Errc> Engine::listen(Endpoint local, const ListenOptions& options) {
  const auto index = impl_->listen(local, options.backlog, options.options);
  if (!index) return tl::unexpected(index.error());
  return Listener{*index};
}
Errc Engine::unlisten(Listener listener) { return impl_->unlisten(listener.index); }
tl::expected<Endpoint, Errc> Engine::local_endpoint(Listener listener) const {
  return impl_->local_endpoint(listener.index);
}

tl::expected<Connection, Errc> Engine::connect(Endpoint remote, Instant now,
                                               const ConnectOptions& options) {
  Endpoint local = options.local;
  if (options.listener) {
    const auto endpoint = impl_->take_listener(options.listener->index);
    if (!endpoint) return tl::unexpected(endpoint.error());
    local = *endpoint;
  }
  return impl_->connect(remote, local, options.user, now, options.options);
}

tl::expected<std::size_t, Errc> Engine::read(Connection connection, std::span<std::byte> to) {
  return impl_->read(connection, to);
}
tl::expected<std::span<const std::byte>, Errc> Engine::peek(Connection connection) const {
  return impl_->peek(connection);
}
Errc Engine::consume(Connection connection, std::size_t count) {
  return impl_->consume(connection, count);
}
tl::expected<std::size_t, Errc> Engine::write(Connection connection,
                                              std::span<const std::byte> from) {
  return impl_->write(connection, from);
}
tl::expected<std::size_t, Errc> Engine::lend(Connection connection,
                                             std::span<const std::byte> from) {
  return impl_->lend(connection, from);
}
Errc Engine::shutdown(Connection connection) { return impl_->shutdown(connection); }
Errc Engine::close(Connection connection) { return impl_->close(connection); }
Errc Engine::abort(Connection connection) { return impl_->abort(connection); }
Errc Engine::close_gently(Connection connection, Duration limit) {
  return impl_->close_gently(connection, limit);
}
std::size_t Engine::connections(std::uint32_t& cursor, std::span<Connection> to) const {
  return impl_->connections(cursor, to);
}
tl::expected<ConnectionInfo, Errc> Engine::info(Connection connection) const {
  return impl_->info(connection);
}
Errc Engine::set_options(Connection connection, const ConnectionOptions& options) {
  return impl_->set_options(connection, options);
}
Errc Engine::want(Connection connection, unsigned what) { return impl_->want(connection, what); }
Errc Engine::set_user(Connection connection, std::uint64_t user) {
  return impl_->set_user(connection, user);
}
tl::expected<std::uint64_t, Errc> Engine::user(Connection connection) const {
  return impl_->user(connection);
}

Errc Engine::set_timer(Connection connection, Duration after) {
  return impl_->set_timer(connection, after);
}
Errc Engine::cancel_timer(Connection connection) { return impl_->cancel_timer(connection); }
tl::expected<TimerId, Errc> Engine::set_timer(Duration after, std::uint64_t user) {
  return impl_->set_timer(after, user);
}
Errc Engine::cancel_timer(TimerId timer) { return impl_->cancel_timer(timer); }

void Engine::drain() { impl_->drain(); }
void Engine::finish(Duration limit) { impl_->finish(limit); }
bool Engine::saturated() const { return impl_->saturated(); }
std::uint64_t Engine::open_connections() const { return impl_->open_connections(); }
const Counters& Engine::counters() const { return impl_->counters(); }

}  // namespace salut
