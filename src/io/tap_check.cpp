#include "io/tap_check.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

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
  ifreq request = {};
  std::memcpy(request.ifr_name, interface.data(),
              std::min(interface.size(), sizeof(request.ifr_name) - 1));
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

}  // namespace salut::io
