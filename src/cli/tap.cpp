#include "cli/tap.hpp"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

#include "config/overrides.hpp"

namespace salut::cli {

std::string tap_commands(const PortConfig& port) {
  std::string text;
  for (const Prefix& ours : port.addresses) {
    // nodad: duplicate address detection takes a second, and nobody else is on this link.
    text += fmt::format("  ip address add {}/{} dev {}{}\n", kernel_address(ours).to_string(),
                        ours.length, port.interface, ours.address.is_v4() ? "" : " nodad");
  }
  return text + fmt::format("  ip link set {} up\n", port.interface);
}

namespace {

// Duplicate address detection has not ended: the kernel does not answer for the address yet.
bool is_tentative(const std::string& interface, const in6_addr& address) {
  std::ifstream file("/proc/net/if_inet6");
  constexpr unsigned long tentative = 0x40;  // IFA_F_TENTATIVE
  std::string hex, index, length, scope, flags, name;
  while (file >> hex >> index >> length >> scope >> flags >> name) {
    std::string text;
    for (const std::uint8_t byte : address.s6_addr) text += fmt::format("{:02x}", byte);
    if (name == interface && hex == text) return (std::stoul(flags, nullptr, 16) & tentative) != 0;
  }
  return false;
}

}  // namespace

bool tap_is_joined(const std::string& interface, bool ip6) {
  const std::string master = "/sys/class/net/" + interface + "/master";
  if (if_nametoindex(interface.c_str()) == 0 || access(master.c_str(), F_OK) == 0) return true;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return true;
  bool joined = false;
  for (const ifaddrs* one = all; one != nullptr && !joined; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || interface != one->ifa_name) continue;
    if ((one->ifa_flags & IFF_UP) == 0 || (one->ifa_flags & IFF_RUNNING) == 0) continue;
    if (!ip6) {
      joined = one->ifa_addr->sa_family == AF_INET;
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      const in6_addr& address = reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr;
      // The kernel makes a link-local address by itself; it says nothing.
      joined = !IN6_IS_ADDR_LINKLOCAL(&address) && !is_tentative(interface, address);
    }
  }
  freeifaddrs(all);
  return joined;
}

}  // namespace salut::cli
