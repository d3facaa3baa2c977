// Checks gateways, routes, and addresses that contradict each other.
//
// An address of another station must not be ours too: we would answer ARP for our own gateway, and
// the whole link would lose it.
#include <fmt/format.h>

#include <algorithm>

#include "config/checking.hpp"
#include "config/keys.hpp"
#include "io/vdev.hpp"

namespace salut::config {
namespace {

constexpr std::uint8_t broadcast_most = 30;  // RFC 3021: a /31 has no broadcast address

bool is_broadcast(const PortConfig& p, const IpAddress& address) {
  return std::ranges::any_of(p.addresses, [&](const Prefix& prefix) {
    return prefix.address.is_v4() && prefix.length <= broadcast_most && prefix.last() == address;
  });
}

bool is_own(const PortConfig& p, const IpAddress& address) {
  return std::ranges::find(p.addresses, address, &Prefix::address) != p.addresses.end();
}

// Do frames to our own address come back by this port? A wire to ourselves returns them, and so
// does a station that reflects frames (testpmd). A switch does not, and the kernel does not.
bool returns_own(const Config& config, const PortConfig& p, const IpAddress& address) {
  const auto names_it = [&](const NeighbourConfig& given) {
    return given.port == p.name && given.address == address;
  };
  if (std::ranges::any_of(config.neighbours, names_it)) return true;
  if (p.type == PortType::tap || p.type == PortType::pci) return false;
  return p.type != PortType::vdev || io::Vdev::parse(p.vdev).netdev.empty();
}

class Check : Checking {
 public:
  explicit Check(const Config& config) : Checking(config) {}

  std::optional<Error> run() {
    for (std::size_t i = 0; i < config_.ports.size(); ++i) port(i);
    for (std::size_t i = 0; i < config_.routes.size(); ++i) route(i);
    return std::move(error_);
  }

 private:
  void port(std::size_t i) {
    const PortConfig& p = config_.ports[i];
    addresses(i);
    gateway(i, "gateway", p.gateway, true);
    gateway(i, "gateway6", p.gateway6, false);
    for (std::size_t k = 0; k < p.ranges.size(); ++k) range(i, k);
  }

  void addresses(std::size_t i) {
    const PortConfig& p = config_.ports[i];
    for (std::size_t k = 0; k < p.addresses.size(); ++k) {
      const Prefix& prefix = p.addresses[k];
      const std::string key = fmt::format("addresses[{}]", k);
      const std::string value = quoted(prefix.to_string());
      if (prefix.length == 0) {
        bad_port(i, key, value, "says that every address is on its link",
                 quoted(Prefix{prefix.address, std::uint8_t(prefix.address.is_v4() ? 24 : 64)}
                            .to_string()));
      } else if (is_broadcast(p, prefix.address)) {
        bad_port(i, key, value, "the broadcast address of its link", "the address of a station");
      }
    }
  }

  void gateway(std::size_t i, std::string_view key, const IpAddress& gateway, bool v4) {
    if (gateway.is_any()) return;
    const PortConfig& p = config_.ports[i];
    const std::string value = quoted(gateway.to_string());
    if (gateway.is_v4() != v4) {
      return bad_port(i, key, value, "of the other family",
                      v4 ? "an IPv4 address; gateway6 is that of IPv6"
                         : "an IPv6 address; gateway is that of IPv4");
    }
    std::vector<std::string> links;
    if (!on_link(p, gateway, links)) {
      return bad_port(i, key, value, "on no link of this port",
                      links.empty() ? fmt::format("an IPv{} address for the port first", v4 ? 4 : 6)
                                    : fmt::format("an address in {}", list_text(links)));
    }
    next_hop(i, fmt::format("port[{}].{}", i, key), gateway);
  }

  // The next hop of a gateway or a route must be a station other than ourselves.
  void next_hop(std::size_t i, std::string_view key, const IpAddress& hop) {
    const PortConfig& p = config_.ports[i];
    const std::string value = quoted(hop.to_string());
    if (is_broadcast(p, hop)) {
      bad(key, value, "the broadcast address of its link", "the address of a station");
    } else if (is_own(p, hop) && !returns_own(config_, p, hop)) {
      bad(key, value, "this port's own address", "that of another station");
    }
  }

  void route(std::size_t i) {
    const RouteConfig& r = config_.routes[i];
    const auto bad_route = [&](std::string_view key, std::string_view value,
                               std::string_view problem, std::string_view want) {
      bad(fmt::format("route[{}].{}", i, key), value, problem, want);
    };
    const auto port = std::ranges::find(config_.ports, r.port, &PortConfig::name);
    if (port == config_.ports.end()) {
      std::vector<std::string> names;
      for (const PortConfig& p : config_.ports) names.push_back(quoted(p.name));
      return bad_route("port", quoted(r.port), "no port has this name", list_text(names));
    }
    if (r.to.length > (r.to.address.is_v4() ? 32 : 128) || r.to.first() != r.to.address) {
      const Prefix whole{r.to.first(), r.to.length};
      return bad_route("to", quoted(r.to.to_string()), "does not begin where its prefix does",
                       quoted(whole.to_string()));
    }
    if (r.to.address.is_multicast()) {
      return bad_route("to", quoted(r.to.to_string()), "a group", "addresses of hosts");
    }
    std::vector<std::string> links;
    const bool same_family = r.via.is_v4() == r.to.address.is_v4();
    const bool reached = r.via.is_any() || on_link(*port, r.via, links);
    if (!same_family || !reached) {
      return bad_route("via", quoted(r.via.to_string()),
                       same_family ? "on no link of the port" : "of another family than `to`",
                       links.empty() ? "an address of the family of `to` on a link of the port"
                                     : fmt::format("an address in {}", list_text(links)));
    }
    if (r.via.is_any()) return;
    next_hop(static_cast<std::size_t>(port - config_.ports.begin()),
             fmt::format("route[{}].via", i), r.via);
  }

  // Every address of a range is ours, so that no other station's may be in it.
  void range(std::size_t i, std::size_t k) {
    const PortConfig& p = config_.ports[i];
    const AddressRange& range = p.ranges[k];
    const auto others = [&](std::string_view who, const IpAddress& address) {
      if (address.is_any() || !range.contains(address)) return;
      bad_port(i, fmt::format("ranges[{}]", k), quoted(range.to_string()),
               fmt::format("has {} {} in it", who, address.to_string()),
               "addresses that are this instance's alone");
    };
    others("the gateway", p.gateway);
    others("the gateway", p.gateway6);
    for (const IpAddress& sibling : p.siblings) others("the sibling", sibling);
    for (const RouteConfig& route : config_.routes) {
      if (route.port == p.name) others("the next hop of a route,", route.via);
    }
    for (const NeighbourConfig& given : config_.neighbours) {
      if (given.port == p.name) others("the neighbour", given.address);
    }
    for (const Prefix& prefix : p.addresses) {
      if (is_broadcast(p, prefix.last())) others("the broadcast address", prefix.last());
    }
  }
};

}  // namespace

std::optional<Error> check_links(const Config& config) { return Check(config).run(); }

}  // namespace salut::config
