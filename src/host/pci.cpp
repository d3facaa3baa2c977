#include "host/pci.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace salut {
namespace {

template <std::size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A virtio card keeps its interface one directory further down.
std::vector<std::string> interfaces_of(const Sysfs& sysfs, const std::string& at) {
  std::vector<std::string> names = sysfs.names(at + "/net");
  for (const std::string& child : sysfs.names(at)) {
    if (!child.starts_with("virtio")) continue;
    const std::vector<std::string> below = sysfs.names(at + "/" + child + "/net");
    names.insert(names.end(), below.begin(), below.end());
  }
  return names;
}

}  // namespace

PciDevice PciDevice::read(const Sysfs& sysfs, const std::string& address) {
  PciDevice device;
  device.address = address;
  // The kernel writes addresses in lower case.
  std::string name = address;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
  const std::string at = "/sys/bus/pci/devices/" + name;
  device.there = sysfs.exists(at);
  if (!device.there) return device;
  device.vendor = static_cast<std::uint32_t>(sysfs.number(at + "/vendor").value_or(0));
  device.device = static_cast<std::uint32_t>(sysfs.number(at + "/device").value_or(0));
  device.kind = static_cast<std::uint32_t>(sysfs.number(at + "/class").value_or(0)) >> 16;
  device.driver = sysfs.target(at + "/driver");
  device.numa_node = static_cast<int>(sysfs.number(at + "/numa_node").value_or(-1));
  device.iommu_group = sysfs.target(at + "/iommu_group");
  for (const std::string& interface : interfaces_of(sysfs, at)) {
    device.interfaces.push_back(Netdev::read(sysfs, interface));
  }
  return device;
}

bool PciDevice::for_user_space() const {
  return among(std::to_array<std::string_view>({"vfio-pci", "uio_pci_generic", "igb_uio"}), driver);
}

bool PciDevice::shared_driver() const {
  return among(std::to_array<std::string_view>({"mlx5_core", "mlx4_core", "mana"}), driver);
}

bool PciDevice::in_use() const {
  return std::any_of(interfaces.begin(), interfaces.end(),
                     [](const Netdev& one) { return one.in_use(); });
}

std::string PciDevice::describe() const {
  std::string text = fmt::format("{:04x}:{:04x} at {}, ", vendor, device, address);
  text += driver.empty() ? "no driver" : "driver " + driver;
  for (const Netdev& interface : interfaces) text += ", interface " + interface.describe();
  return text;
}

Result<void> PciDevice::usable() const {
  const std::string key = fmt::format("pci = \"{}\"", address);
  if (!there) {
    return fail(Errc::not_found,
                fmt::format("{}: no such device; want one that `dpdk-devbind.py --status-dev net` "
                            "shows",
                            key));
  }
  if (in_use()) {
    return fail(Errc::in_use,
                fmt::format("{}: in use by the kernel and never taken: {}; want a card that "
                            "carries nobody's traffic",
                            key, describe()));
  }
  if (for_user_space() || shared_driver()) return {};
  // No hint how to rebind it: it may be the machine's disk.
  constexpr std::uint32_t network = 0x02;
  if (kind != network) {
    return fail(Errc::invalid_argument,
                fmt::format("{}: no network card: {}; want one that `dpdk-devbind.py --status-dev "
                            "net` shows",
                            key, describe()));
  }
  return fail(Errc::in_use, fmt::format("{}: not bound to a driver for user space: {}; want "
                                        "dpdk-devbind.py --bind=vfio-pci {}",
                                        key, describe(), address));
}

}  // namespace salut
