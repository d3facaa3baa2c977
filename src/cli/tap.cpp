#include "cli/tap.hpp"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/overrides.hpp"

namespace salut::cli {

std::string tap_commands(const PortConfig& port) {
  std::string text;
  for (const Prefix& ours : port.addresses) {
    // Nobody else is on this wire, and whoever connects at once does not want to wait a second.
    text += fmt::format("  ip address add {}/{} dev {}{}\n", kernel_address(ours).to_string(),
                        ours.length, port.interface, ours.address.is_v4() ? "" : " nodad");
  }
  return text + fmt::format("  ip link set {} up\n", port.interface);
}

bool tap_is_joined(const std::string& interface) {
  const std::string master = "/sys/class/net/" + interface + "/master";
  if (if_nametoindex(interface.c_str()) == 0 || access(master.c_str(), F_OK) == 0) return true;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return true;
  bool joined = false;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || interface != one->ifa_name) continue;
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(one->ifa_addr);
    // A link-local address the kernel makes itself.
    joined = joined || one->ifa_addr->sa_family == AF_INET ||
             (one->ifa_addr->sa_family == AF_INET6 && !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr));
  }
  freeifaddrs(all);
  return joined;
}

}  // namespace salut::cli
