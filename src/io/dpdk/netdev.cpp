#include "io/dpdk/netdev.hpp"

#include <fmt/format.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

namespace salut::io {
namespace {

bool ask(const std::string& name, unsigned long what, ifreq& answer) {
  answer = {};
  std::memcpy(answer.ifr_name, name.data(), std::min(name.size(), sizeof(answer.ifr_name) - 1));
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool answered = ioctl(fd, what, &answer) == 0;
  close(fd);
  return answered;
}

bool has_flags(const std::string& name, int wanted) {
  ifreq request;
  return ask(name, SIOCGIFFLAGS, request) && (request.ifr_flags & wanted) == wanted;
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

// Has it a default route of either family? What these files look like: proc(5).
bool leads_out(const std::string& name) {
  std::string line;
  for (std::ifstream routes("/proc/net/route"); std::getline(routes, line);) {
    const auto words = words_of(line);  // interface, destination, …, mask at 7
    if (words.size() > 7 && words[0] == name && words[1] == "00000000" && words[7] == "00000000") {
      return true;
    }
  }
  for (std::ifstream routes("/proc/net/ipv6_route"); std::getline(routes, line);) {
    const auto words = words_of(line);  // destination, its length, …, interface last
    const bool all = words.size() > 9 && words[1] == "00" &&
                     words[0].find_first_not_of('0') == std::string::npos;
    if (all && words.back() == name && name != "lo") return true;
  }
  return false;
}

}  // namespace

Result<void> check_netdev(const std::string& key, const std::string& name) {
  if (name.size() >= IF_NAMESIZE || if_nametoindex(name.c_str()) == 0) {
    return fail(Errc::not_found,
                fmt::format("{}: no interface {} here; want one that `ip link` shows", key, name));
  }
  if (leads_out(name)) {
    return fail(Errc::in_use,
                fmt::format("{}: {} has this machine's default route, and is never taken; want "
                            "another interface",
                            key, name));
  }
  if (!has_flags(name, IFF_UP)) {
    return fail(
        Errc::not_found,
        fmt::format("{}: {} is down; want it up first, `ip link set {} up`", key, name, name));
  }
  return {};
}

bool netdev_runs(const std::string& name) { return has_flags(name, IFF_UP | IFF_RUNNING); }

std::uint32_t netdev_mtu(const std::string& name) {
  ifreq request;
  return ask(name, SIOCGIFMTU, request) ? static_cast<std::uint32_t>(request.ifr_mtu) : 0;
}

}  // namespace salut::io
