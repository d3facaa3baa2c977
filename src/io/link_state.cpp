#include "io/link_state.hpp"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace salut::io {

bool netdev_runs(const std::string& name) {
  ifreq request = {};
  std::memcpy(request.ifr_name, name.data(), std::min(name.size(), sizeof(request.ifr_name) - 1));
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool answered = ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  close(fd);
  constexpr int wanted = IFF_UP | IFF_RUNNING;
  return answered && (request.ifr_flags & wanted) == wanted;
}

}  // namespace salut::io
