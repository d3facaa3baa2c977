// Checks that no two ports use the same socket, kernel interface or device name.
#include <fmt/format.h>

#include <vector>

#include "config/keys.hpp"
#include "io/vdev.hpp"

namespace salut::config {
namespace {

struct Taken {
  std::string key;    // "port[0].members[1]"
  std::string words;  // the key's value
  std::string device;
  std::string socket;  // for memif with its id, because several ids may share a socket
  std::string netdev;
};

std::vector<Taken> taken_by(const Config& config) {
  std::vector<Taken> all;
  const auto add = [&](std::string key, const std::string& words) {
    const io::Vdev vdev = io::Vdev::parse(words);
    const std::string socket = vdev.socket.empty() || vdev.id.empty()
                                   ? vdev.socket
                                   : fmt::format("{} with id {}", vdev.socket, vdev.id);
    all.push_back({std::move(key), words, vdev.name, socket, vdev.netdev});
  };
  for (std::size_t i = 0; i < config.ports.size(); ++i) {
    const PortConfig& port = config.ports[i];
    for (std::size_t k = 0; k < port.members.size(); ++k) {
      add(fmt::format("port[{}].members[{}]", i, k), port.members[k]);
    }
    if (port.type == PortType::vdev) add(fmt::format("port[{}].vdev", i), port.vdev);
    if (port.type == PortType::tap) {
      all.push_back({fmt::format("port[{}].interface", i), port.interface, "", "", port.interface});
    }
  }
  return all;
}

}  // namespace

std::optional<Error> check_devices(const Config& config) {
  for (std::size_t i = 0; i < config.ports.size(); ++i) {
    const PortConfig& port = config.ports[i];
    if (port.type != PortType::vdev && !port.members.empty()) {
      return complaint(config.file, fmt::format("port[{}].members", i), "",
                       fmt::format("not for a port of type \"{}\"", type_name(port.type)),
                       "type = \"vdev\", or no such key");
    }
  }
  const std::vector<Taken> all = taken_by(config);
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const auto same = [&](const std::string Taken::* what) {
        return !(all[i].*what).empty() && all[i].*what == all[j].*what;
      };
      const auto refuse = [&](const std::string& what) {
        return complaint(config.file, all[i].key, quoted(all[i].words),
                         fmt::format("{} has {}", all[j].key, what), "one of its own");
      };
      if (same(&Taken::device)) return refuse("a device of this name");
      if (same(&Taken::socket)) return refuse("the socket " + all[i].socket);
      if (same(&Taken::netdev)) return refuse("the interface " + all[i].netdev);
    }
  }
  return std::nullopt;
}

}  // namespace salut::config
