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

std::string instance_path(const std::string& name, const std::string& suffix) {
  if (mkdir("/run/salut", 0755) == 0 || access("/run/salut", W_OK | X_OK) == 0) {
    return fmt::format("/run/salut/{}.{}", name, suffix);
  }
  const char* user = std::getenv("XDG_RUNTIME_DIR");
  const std::string directory = user != nullptr && access(user, W_OK | X_OK) == 0 ? user : "/tmp";
  return fmt::format("{}/salut-{}.{}", directory, name, suffix);
}

namespace {

// Is the file at `path` still the one that `fd` has open? Its last owner may just have removed it.
bool still_there(const std::string& path, int fd) {
  struct stat at_path = {};
  struct stat open_file = {};
  return stat(path.c_str(), &at_path) == 0 && fstat(fd, &open_file) == 0 &&
         at_path.st_ino == open_file.st_ino && at_path.st_dev == open_file.st_dev;
}

// 0: it does not say.
int pid_in(int fd) {
  char text[16] = {};
  return pread(fd, text, sizeof(text) - 1, 0) > 0 ? std::atoi(text) : 0;
}

std::string owner_of(int fd) {
  const int pid = pid_in(fd);
  return pid != 0 ? fmt::format("process {}", pid) : "another process";
}

}  // namespace

Result<InstanceLock> InstanceLock::take(const std::string& name) {
  const std::string path = instance_path(name, "lock");
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

std::optional<int> InstanceLock::holder(const std::string& name) {
  const int fd = open(instance_path(name, "lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return std::nullopt;
  const bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  const int pid = held ? pid_in(fd) : 0;
  close(fd);
  return held ? std::optional(pid) : std::nullopt;
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
