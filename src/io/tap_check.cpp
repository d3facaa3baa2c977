#include "io/tap_check.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "io/netdevice.hpp"

namespace salut::io {

Result<void> check_tap(const std::string& interface) {
  const std::string key = fmt::format("interface = \"{}\"", interface);
  if (if_nametoindex(interface.c_str()) != 0) {
    return fail(Errc::in_use, fmt::format("{}: a network interface has this name; want a name that "
                                          "`ip link` does not show",
                                          key));
  }
  const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    const bool absent = errno == ENOENT || errno == ENODEV || errno == ENXIO;
    return fail(absent ? Errc::not_found : Errc::no_permission,
                fmt::format("{}: cannot open /dev/net/tun: {}; want {}", key, std::strerror(errno),
                            absent ? "a kernel with TUN/TAP" : "root, or access to it"));
  }
  ifreq request = request_for(interface);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE;
  const int rc = ioctl(fd, TUNSETIFF, &request);
  const int why = errno;
  close(fd);
  if (rc == 0) return {};
  if (why == EPERM || why == EACCES) {
    return fail(Errc::no_permission,
                fmt::format("{}: this user may not make a TAP; want root or CAP_NET_ADMIN", key));
  }
  return fail(Errc::in_use,
              fmt::format("{}: the kernel makes no TAP of this name: {}; want another "
                          "name",
                          key, std::strerror(why)));
}

bool set_tap_queue(const std::string& interface, std::uint32_t frames) {
  ifreq request = request_for(interface);
  request.ifr_qlen = static_cast<int>(frames);
  return ask_netdevice(SIOCSIFTXQLEN, request);
}

// Asks rtnetlink, by way of libc. /sys shows the namespace in which it was mounted, maybe not ours.
std::uint64_t tap_dropped(const std::string& interface) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return 0;
  std::uint64_t dropped = 0;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_PACKET) continue;
    if (interface != one->ifa_name || one->ifa_data == nullptr) continue;
    dropped = static_cast<const rtnl_link_stats*>(one->ifa_data)->tx_dropped;
  }
  freeifaddrs(all);
  return dropped;
}

}  // namespace salut::io
