#include "worker/port_check.hpp"

#include <fmt/format.h>

#include <numeric>
#include <string_view>

#include "host/pci.hpp"
#include "io/tap_check.hpp"

namespace salut {

namespace {

Result<void> check_vdev(const io::Vdev& vdev, std::string_view key, const Sysfs& sysfs) {
  if (vdev.netdev.empty()) return {};
  return check_interface(vdev, Netdev::read(sysfs, vdev.netdev), key);
}

}  // namespace

Result<void> check_ports(const Config& config, const Sysfs& sysfs) {
  for (std::size_t i = 0; i < config.ports.size(); ++i) {
    const PortConfig& port = config.ports[i];
    Result<void> may;
    if (port.type == PortType::pci) {
      may = PciDevice::read(sysfs, port.pci).usable();
    } else if (port.type == PortType::vdev) {
      may = check_vdev(io::Vdev::parse(port.vdev), "vdev", sysfs);
      for (std::size_t k = 0; k < port.members.size() && may; ++k) {
        may = check_vdev(io::Vdev::parse(port.members[k]), fmt::format("members[{}]", k), sysfs);
      }
    }
    if (!may) return fail(may.error().code, fmt::format("port[{}].{}", i, may.error().message));
  }
  return {};
}

Result<void> check_taps(const Config& config) {
  for (std::size_t i = 0; i < config.ports.size(); ++i) {
    if (config.ports[i].type != PortType::tap) continue;
    const auto may = io::check_tap(config.ports[i].interface);
    if (!may) return fail(may.error().code, fmt::format("port[{}].{}", i, may.error().message));
  }
  return {};
}

Result<void> check_interface(const io::Vdev& vdev, const Netdev& interface,
                             std::string_view name_of_key) {
  const std::string key = fmt::format("{} = \"{}\"", name_of_key, vdev.words);
  if (!interface.there) {
    return fail(Errc::not_found,
                fmt::format("{}: no network interface {} in this network namespace; want one that "
                            "`ip link` shows",
                            key, interface.name));
  }
  if (interface.default_route) {
    return fail(Errc::in_use,
                fmt::format("{}: in use by the kernel and never taken: interface {}; want one that "
                            "carries nobody's traffic",
                            key, interface.describe()));
  }
  if (!interface.up) {
    return fail(Errc::not_found,
                fmt::format("{}: {} is down; want it up first, `ip link set {} up`", key,
                            interface.name, interface.name));
  }
  return {};
}

int numa_node_of(const Sysfs& sysfs, std::uint32_t core) {
  for (const std::string& name : sysfs.names(fmt::format("/sys/devices/system/cpu/cpu{}", core))) {
    constexpr std::string_view prefix = "node";
    if (!name.starts_with(prefix)) continue;
    const std::vector<std::uint32_t> node = parse_list(std::string_view(name).substr(4));
    if (node.size() == 1) return static_cast<int>(node[0]);
  }
  return -1;
}

std::optional<std::string> numa_note(const Config& config, const PortConfig& port,
                                     const Sysfs& sysfs) {
  if (port.type != PortType::pci) return std::nullopt;
  const PciDevice device = PciDevice::read(sysfs, port.pci);
  if (device.numa_node < 0) return std::nullopt;
  std::vector<std::uint32_t> far;
  for (const std::uint32_t worker : config.workers_of(port)) {
    const int node = numa_node_of(sysfs, config.cores[worker]);
    if (node >= 0 && node != device.numa_node) far.push_back(config.cores[worker]);
  }
  if (far.empty()) return std::nullopt;
  const auto near =
      sysfs.list(fmt::format("/sys/devices/system/node/node{}/cpulist", device.numa_node));
  return fmt::format(
      "pci = \"{}\": the card is on NUMA node {}, core {} on another: every frame crosses between "
      "them; want workers.cores among {}",
      port.pci, device.numa_node, list_of(far), list_of(near));
}

std::vector<std::string> numa_notes(const Config& config, const Sysfs& sysfs) {
  std::vector<std::string> notes;
  for (std::size_t i = 0; i < config.ports.size(); ++i) {
    if (const auto note = numa_note(config, config.ports[i], sysfs)) {
      notes.push_back(fmt::format("port[{}].{}", i, *note));
    }
  }
  return notes;
}

}  // namespace salut
