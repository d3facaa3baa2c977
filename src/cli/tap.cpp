#include "cli/tap.hpp"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

namespace salut::cli {

IpAddress kernel_address(const Prefix& ours) {
  if (ours.length > 30) return IpAddress{};
  const std::uint32_t first = (ours.address.v4() & ours.mask_v4()) + 1;
  return IpAddress::v4(first == ours.address.v4() ? first + 1 : first);
}

std::string tap_commands(const PortConfig& port) {
  const Prefix& ours = port.addresses.front();
  return fmt::format("  ip address add {}/{} dev {}\n  ip link set {} up\n",
                     kernel_address(ours).to_string(), ours.length, port.interface, port.interface);
}

bool tap_is_joined(const std::string& interface) {
  const std::string master = "/sys/class/net/" + interface + "/master";
  if (if_nametoindex(interface.c_str()) == 0 || access(master.c_str(), F_OK) == 0) return true;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return true;
  bool joined = false;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    joined = joined || (one->ifa_addr != nullptr && one->ifa_addr->sa_family == AF_INET &&
                        interface == one->ifa_name);
  }
  freeifaddrs(all);
  return joined;
}

}  // namespace salut::cli
