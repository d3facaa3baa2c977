#include "host/netdev.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>

#include <sstream>
#include <vector>

#include "io/netdevice.hpp"

namespace salut {
namespace {

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(std::move(word));
  return words;
}

// /sys shows the interfaces of the namespace that mounted it, which need not be ours. So on the
// real system the kernel is asked.
void ask_kernel(Netdev& interface) {
  ifreq request = io::request_for(interface.name);
  if (io::ask_netdevice(SIOCGIFFLAGS, request)) {
    interface.up = (request.ifr_flags & IFF_UP) != 0;
  }
  if (io::ask_netdevice(SIOCGIFMTU, request)) {
    interface.mtu = static_cast<std::uint32_t>(request.ifr_mtu);
  }
}

void ask_files(const Sysfs& sysfs, Netdev& interface) {
  const std::string at = "/sys/class/net/" + interface.name;
  interface.up = (sysfs.number(at + "/flags").value_or(0) & IFF_UP) != 0;
  if (const auto mtu = sysfs.number(at + "/mtu")) {
    interface.mtu = static_cast<std::uint32_t>(*mtu);
  }
}

bool is_there(const Sysfs& sysfs, const std::string& name) {
  for (const std::string& line : sysfs.lines("/proc/net/dev")) {
    const std::vector<std::string> words = words_of(line.substr(0, line.find(':')));
    if (words.size() == 1 && words[0] == name && line.find(':') != std::string::npos) return true;
  }
  return false;
}

void routes_4(const Sysfs& sysfs, Netdev& interface) {
  for (const std::string& line : sysfs.lines("/proc/net/route")) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() < 8 || words[0] != interface.name) continue;
    interface.addressed = true;
    if (words[1] == "00000000" && words[7] == "00000000") interface.default_route = true;
  }
}

void routes_6(const Sysfs& sysfs, Netdev& interface) {
  for (const std::string& line : sysfs.lines("/proc/net/ipv6_route")) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() < 10 || words[9] != interface.name) continue;
    const bool any = words[1] == "00" && words[0].find_first_not_of('0') == std::string::npos;
    if (any) interface.default_route = true;
  }
  for (const std::string& line : sysfs.lines("/proc/net/if_inet6")) {
    const std::vector<std::string> words = words_of(line);
    constexpr std::string_view link_scope = "20";  // the kernel makes such an address by itself
    if (words.size() < 6 || words[5] != interface.name || words[3] == link_scope) continue;
    interface.addressed = true;
  }
}

}  // namespace

Netdev Netdev::read(const Sysfs& sysfs, const std::string& name) {
  Netdev interface;
  interface.name = name;
  interface.there = is_there(sysfs, name);
  interface.master = sysfs.target("/sys/class/net/" + name + "/master");
  // One that only /sys shows is somebody else's, and may be in use there.
  if (interface.there && sysfs.root().empty()) {
    ask_kernel(interface);
  } else {
    ask_files(sysfs, interface);
  }
  routes_4(sysfs, interface);
  routes_6(sysfs, interface);
  return interface;
}

std::string Netdev::describe() const {
  std::string text = fmt::format("{} ({}", name, up ? "up" : "down");
  if (default_route) {
    text += ", default route";
  } else if (addressed) {
    text += ", has addresses";
  }
  if (!master.empty()) text += ", part of " + master;
  if (mtu) text += fmt::format(", MTU {}", *mtu);
  return text + ")";
}

}  // namespace salut
