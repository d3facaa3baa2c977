#include "worker/instance_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace salut {
namespace {

// /run/salut for root and for a service with that directory, else the user's own, else /tmp.
std::string path_for(const std::string& name) {
  if (mkdir("/run/salut", 0755) == 0 || access("/run/salut", W_OK | X_OK) == 0) {
    return fmt::format("/run/salut/{}.lock", name);
  }
  const char* user = std::getenv("XDG_RUNTIME_DIR");
  const std::string directory = user != nullptr && access(user, W_OK | X_OK) == 0 ? user : "/tmp";
  return fmt::format("{}/salut-{}.lock", directory, name);
}

// Is the file at `path` still the one that `fd` has open? Its last owner may just have removed it.
bool still_there(const std::string& path, int fd) {
  struct stat at_path = {};
  struct stat open_file = {};
  return stat(path.c_str(), &at_path) == 0 && fstat(fd, &open_file) == 0 &&
         at_path.st_ino == open_file.st_ino && at_path.st_dev == open_file.st_dev;
}

std::string owner_of(int fd) {
  char text[16] = {};
  return pread(fd, text, sizeof(text) - 1, 0) > 0 ? fmt::format("process {}", std::atol(text))
                                                  : "another process";
}

}  // namespace

Result<InstanceLock> InstanceLock::take(const std::string& name) {
  const std::string path = path_for(name);
  for (;;) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) {
      return fail(Errc::no_permission, fmt::format("name = \"{}\": cannot lock {}: {}; want a name "
                                                   "that no other user has",
                                                   name, path, std::strerror(errno)));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const std::string owner = owner_of(fd);
      close(fd);
      return fail(Errc::in_use,
                  fmt::format("name = \"{}\": {} runs under this name; want another", name, owner));
    }
    if (!still_there(path, fd)) {
      close(fd);
      continue;
    }
    const std::string pid = fmt::format("{}\n", getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) {
      // Only the message of another instance is poorer for it.
    }
    return InstanceLock(path, fd);
  }
}

InstanceLock::InstanceLock(InstanceLock&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

InstanceLock& InstanceLock::operator=(InstanceLock&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

InstanceLock::~InstanceLock() {
  if (fd_ < 0) return;
  unlink(path_.c_str());  // while it is locked: nobody can have locked this file after us
  close(fd_);
}

}  // namespace salut
