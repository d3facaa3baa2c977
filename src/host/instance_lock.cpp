#include "host/instance_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <utility>

#include "host/run_directory.hpp"
#include "io/sleep.hpp"

namespace salut {
namespace {

constexpr int clearing_tries = 20;
constexpr std::chrono::milliseconds clearing_nap{5};

Error cannot_lock(const std::string& name, const std::string& path, const char* why) {
  return {Errc::no_permission,
          fmt::format("name = \"{}\": cannot lock {}: {}; want a name that no other user has", name,
                      path, why)};
}

Error not_ours(const std::string& name, const std::string& path) {
  return {Errc::no_permission,
          fmt::format("name = \"{}\": {} is not a file of this user's alone; want it removed, or "
                      "XDG_RUNTIME_DIR set to a directory of this user",
                      name, path)};
}

Error has_owner(const std::string& name, const std::string& owner) {
  return {
      Errc::in_use,
      fmt::format("name = \"{}\": {} runs under this name; want another (--name, or name in the "
                  "configuration)",
                  name, owner)};
}

// "1: FLOCK  ADVISORY  WRITE 4711 fe:00:10954393 0 EOF": is there one of that process and file?
bool is_locked(const Sysfs& sysfs, const std::string& process, ino_t inode) {
  for (const std::string& line : sysfs.lines("/proc/locks")) {
    std::istringstream words(line);
    std::string number, kind, how, what, owner, file;
    if (!(words >> number >> kind >> how >> what >> owner >> file) || kind != "FLOCK") continue;
    if (owner == process && file.ends_with(fmt::format(":{}", inode))) return true;
  }
  return false;
}

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
  const std::string directory = path.substr(0, path.rfind('/'));
  if (directory.starts_with("/tmp/") && !is_our_directory(directory)) {
    return tl::unexpected<Error>(not_ours(name, directory));
  }
  for (int tries = 0;;) {
    // O_NONBLOCK: a pipe of this name would hold us up.
    constexpr int how = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    const int fd = open(path.c_str(), how, 0644);
    if (fd < 0) {
      return tl::unexpected<Error>(cannot_lock(name, path, std::strerror(errno)));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const std::string owner = owner_of(fd);
      close(fd);
      // Another start may have it for a moment, while it clears away what a dead one left.
      if (tries++ == clearing_tries) return tl::unexpected<Error>(has_owner(name, owner));
      io::sleep_for(clearing_nap);
      continue;
    }
    if (!still_there(path, fd)) {
      close(fd);
      continue;
    }
    struct stat status = {};
    if (fstat(fd, &status) != 0 || !is_our_file(status)) {
      close(fd);
      return tl::unexpected<Error>(not_ours(name, path));
    }
    const std::string pid = fmt::format("{}\n", getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) {
      // Not fatal: the number is only for messages.
    }
    return InstanceLock(path, fd);
  }
}

Result<void> InstanceLock::ask(const std::string& name, const Sysfs& sysfs) {
  const std::string path = instance_path(name, "lock", sysfs);
  const std::string directory = path.substr(0, path.rfind('/'));
  if (directory.starts_with("/tmp/") && sysfs.exists(directory) &&
      !is_our_directory(sysfs.at(directory))) {
    return tl::unexpected<Error>(not_ours(name, directory));
  }
  struct stat file = {};
  if (lstat(sysfs.at(path).c_str(), &file) != 0) return {};
  if (S_ISLNK(file.st_mode)) {
    return tl::unexpected<Error>(cannot_lock(name, path, std::strerror(ELOOP)));
  }
  const std::string process = S_ISREG(file.st_mode) ? sysfs.line(path) : "";
  if (!process.empty() && is_locked(sysfs, process, file.st_ino)) {
    return tl::unexpected<Error>(has_owner(name, "process " + process));
  }
  if (!sysfs.may(path, R_OK | W_OK)) {
    return tl::unexpected<Error>(cannot_lock(name, path, std::strerror(EACCES)));
  }
  if (!is_our_file(file)) return tl::unexpected<Error>(not_ours(name, path));
  return {};  // of one that died
}

std::optional<int> InstanceLock::holder(const std::string& name) {
  const int fd =
      open(instance_path(name, "lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
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
