#include "io/netdevice.hpp"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace salut::io {

ifreq request_for(const std::string& interface) {
  ifreq request = {};
  std::memcpy(request.ifr_name, interface.data(),
              std::min(interface.size(), sizeof(request.ifr_name) - 1));
  return request;
}

bool ask_netdevice(unsigned long what, ifreq& request) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool answered = ioctl(fd, what, &request) == 0;
  const int why = errno;
  close(fd);
  errno = why;
  return answered;
}

}  // namespace salut::io
