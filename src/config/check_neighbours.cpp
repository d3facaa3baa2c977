// Checks what a configuration says about other stations: their MACs, and that they are on a link of
// their port.
#include <fmt/format.h>

#include <algorithm>

#include "base/mac.hpp"
#include "config/keys.hpp"

namespace salut::config {

std::optional<Problem> mac_problem(const std::string& text) {
  const auto mac = Mac::parse(text);
  if (!mac) return Problem{"not a MAC address", "one such as \"02:00:00:00:00:01\""};
  if (!mac->is_station()) {
    return Problem{"not the address of one station",
                   "a unicast address such as \"02:00:00:00:00:01\""};
  }
  return std::nullopt;
}

bool on_link(const PortConfig& port, const IpAddress& address, std::vector<std::string>& links) {
  bool found = address.is_link_local();  // those are on every link
  bool hosts_only = true;
  for (const Prefix& prefix : port.addresses) {
    if (prefix.address.is_v4() != address.is_v4()) continue;
    const bool host = prefix.length == (prefix.address.is_v4() ? 32 : 128);
    hosts_only = hosts_only && (host || prefix.address.is_link_local());
    links.push_back(prefix.to_string());
    found = found || prefix.contains(address);
  }
  return found || (hosts_only && !links.empty() && is_unicast(address));
}

std::optional<Error> check_neighbours(const Config& config, std::size_t i) {
  const NeighbourConfig& given = config.neighbours[i];
  const auto bad = [&](std::string_view key, std::string_view value, std::string_view problem,
                       std::string_view want) {
    return complaint(config.file, fmt::format("neighbour[{}].{}", i, key), value, problem, want);
  };
  if (i >= neighbours_max) {
    return bad("address", quoted(given.address.to_string()), "too many neighbours",
               fmt::format("at most {}", neighbours_max));
  }
  const auto port = std::ranges::find(config.ports, given.port, &PortConfig::name);
  if (port == config.ports.end()) {
    std::vector<std::string> names;
    for (const PortConfig& p : config.ports) names.push_back(quoted(p.name));
    return bad("port", quoted(given.port), "no port has this name", list_text(names));
  }
  const std::string address = quoted(given.address.to_string());
  std::vector<std::string> links;
  if (given.address.is_any() || given.address.is_multicast() ||
      !on_link(*port, given.address, links)) {
    return bad("address", address, "no station on a link of the port",
               links.empty() ? "an address of the family of the port's"
                             : fmt::format("an address in {}", list_text(links)));
  }
  for (std::size_t k = 0; k < i; ++k) {
    const NeighbourConfig& other = config.neighbours[k];
    if (other.address == given.address && other.port == given.port) {
      return bad("address", address, fmt::format("neighbour[{}] has it", k), "each once");
    }
  }
  if (const auto wrong = mac_problem(given.mac)) {
    return bad("mac", quoted(given.mac), wrong->what, wrong->want);
  }
  return std::nullopt;
}

}  // namespace salut::config
