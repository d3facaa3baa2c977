#include "io/reserved_fd.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <filesystem>
#include <string_view>

namespace salut::io {
namespace {

bool listens_on(int fd, const std::string& path) {
  int listening = 0;
  socklen_t size = sizeof(listening);
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0) {
    return false;
  }
  sockaddr_un address = {};
  size = sizeof(address);
  return getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
         address.sun_family == AF_UNIX && size > offsetof(sockaddr_un, sun_path) &&
         std::string_view(address.sun_path) == path;
}

}  // namespace

ReservedFd::ReservedFd(const std::string& path) {
  if (path.empty()) return;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", failed)) {
    const std::string name = entry.path().filename();
    int fd = -1;
    std::from_chars(name.data(), name.data() + name.size(), fd);
    if (listens_on(fd, path)) fd_ = fd;
  }
}

ReservedFd::~ReservedFd() {
  if (fd_ < 0 || fcntl(fd_, F_GETFD) >= 0) return;
  const int silent = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (silent < 0 || silent == fd_) return;
  dup3(silent, fd_, O_CLOEXEC);
  close(silent);
}

}  // namespace salut::io
