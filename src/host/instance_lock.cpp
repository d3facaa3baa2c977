#include "host/instance_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <utility>

namespace salut {
namespace {

constexpr const char* run_directory = "/run/salut";

std::string path_in_run(const std::string& name, const std::string& suffix) {
  return fmt::format("{}/{}.{}", run_directory, name, suffix);
}

std::string path_elsewhere(const std::string& name, const std::string& suffix, const Sysfs& sysfs) {
  const char* user = std::getenv("XDG_RUNTIME_DIR");
  const std::string directory = user != nullptr && sysfs.may(user, W_OK | X_OK) ? user : "/tmp";
  return fmt::format("{}/salut-{}.{}", directory, name, suffix);
}

}  // namespace

std::string instance_path(const std::string& name, const std::string& suffix) {
  const Sysfs sysfs;
  const bool ours = mkdir(run_directory, 0755) == 0 || sysfs.may(run_directory, W_OK | X_OK);
  return ours ? path_in_run(name, suffix) : path_elsewhere(name, suffix, sysfs);
}

namespace {

Error cannot_lock(const std::string& name, const std::string& path, const char* why) {
  return {Errc::no_permission,
          fmt::format("name = \"{}\": cannot lock {}: {}; want a name that no other user has", name,
                      path, why)};
}

Error has_owner(const std::string& name, const std::string& owner) {
  return {Errc::in_use,
          fmt::format("name = \"{}\": {} runs under this name; want another", name, owner)};
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
  for (;;) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) {
      return tl::unexpected<Error>(cannot_lock(name, path, std::strerror(errno)));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const std::string owner = owner_of(fd);
      close(fd);
      return tl::unexpected<Error>(has_owner(name, owner));
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

Result<void> InstanceLock::ask(const std::string& name, const Sysfs& sysfs) {
  const bool ours = sysfs.may(run_directory, W_OK | X_OK) ||
                    (!sysfs.exists(run_directory) && sysfs.may("/run", W_OK | X_OK));
  const std::string path = ours ? path_in_run(name, "lock") : path_elsewhere(name, "lock", sysfs);
  struct stat file = {};
  if (lstat(sysfs.at(path).c_str(), &file) != 0) return {};
  if (S_ISLNK(file.st_mode)) {
    return tl::unexpected<Error>(cannot_lock(name, path, std::strerror(ELOOP)));
  }
  if (!sysfs.may(path, R_OK | W_OK)) {
    return tl::unexpected<Error>(cannot_lock(name, path, std::strerror(EACCES)));
  }
  const std::string process = sysfs.line(path);
  if (process.empty() || !is_locked(sysfs, process, file.st_ino)) return {};  // of one that died
  return tl::unexpected<Error>(has_owner(name, "process " + process));
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
