#include "host/run_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace salut {
namespace {

constexpr const char* run_directory = "/run/salut";
constexpr std::string_view lock_ending = ".lock";

// Where the files are, and what stands before an instance's name.
struct Place {
  std::string directory;
  std::string prefix;

  std::string path(const std::string& name, std::string_view suffix) const {
    return fmt::format("{}/{}{}.{}", directory, prefix, name, suffix);
  }
};

Place place_elsewhere() {
  const char* user = std::getenv("XDG_RUNTIME_DIR");
  if (user != nullptr && is_our_directory(user)) return {user, "salut-"};
  return {fmt::format("/tmp/salut-{}", geteuid()), ""};
}

Place place() {
  const bool ours = mkdir(run_directory, 0755) == 0 || access(run_directory, W_OK | X_OK) == 0;
  return ours ? Place{run_directory, ""} : place_elsewhere();
}

// Nobody listens any more. REQUIRES: `path` fits a socket's address.
bool is_dead_socket(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  int rc = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  int why = errno;
  if (rc != 0 && why == EPROTOTYPE) {  // DPDK's telemetry is of another kind
    close(fd);
    const int other = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (other < 0) return false;
    rc = connect(other, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    why = errno;
    close(other);
  } else {
    close(fd);
  }
  return rc != 0 && why == ECONNREFUSED;
}

bool is_our_socket(const std::string& path) {
  struct stat status = {};
  return lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode) &&
         status.st_uid == geteuid();
}

// With --no-shconf there is nothing in it but the sockets of telemetry. With any other file it is
// the directory of another program with the same prefix.
void clear_dpdk_directory(const std::string& directory) {
  if (!is_our_directory(directory)) return;
  std::vector<std::string> sockets;
  for (const std::string& name : Sysfs{}.names(directory)) {
    const std::string path = directory + "/" + name;
    if (!name.starts_with("dpdk_telemetry.") || !is_our_socket(path) || !is_dead_socket(path)) {
      return;
    }
    sockets.push_back(path);
  }
  for (const std::string& path : sockets) unlink(path.c_str());
  rmdir(directory.c_str());
}

// "4711\n", as InstanceLock writes it, or nothing yet.
bool says_a_process(int fd) {
  char text[16] = {};
  const ssize_t size = pread(fd, text, sizeof(text), 0);
  return size >= 0 && size < static_cast<ssize_t>(sizeof(text)) &&
         std::all_of(text, text + size, [](char c) { return (c >= '0' && c <= '9') || c == '\n'; });
}

// While we hold the lock of a dead instance, nobody can take its name.
void clear_instance(const Place& place, const std::string& name, const std::string& dpdk) {
  const std::string lock = place.path(name, "lock");
  const int fd = open(lock.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return;
  struct stat held = {};
  struct stat named = {};
  const bool dead = fstat(fd, &held) == 0 && is_our_file(held) && says_a_process(fd) &&
                    flock(fd, LOCK_EX | LOCK_NB) == 0 && lstat(lock.c_str(), &named) == 0 &&
                    held.st_ino == named.st_ino && held.st_dev == named.st_dev;
  if (dead) {
    const std::string socket = place.path(name, "sock");
    if (is_our_socket(socket) && is_dead_socket(socket)) unlink(socket.c_str());
    clear_dpdk_directory(dpdk + "/" + name);
    unlink(lock.c_str());
  }
  close(fd);
}

}  // namespace

std::string instance_path(const std::string& name, const std::string& suffix) {
  const Place at = place();
  // Whether it is ours is checked when a file in it is opened.
  if (at.directory.starts_with("/tmp/")) mkdir(at.directory.c_str(), 0700);
  return at.path(name, suffix);
}

std::string instance_path(const std::string& name, const std::string& suffix, const Sysfs& sysfs) {
  const bool ours = sysfs.may(run_directory, W_OK | X_OK) ||
                    (!sysfs.exists(run_directory) && sysfs.may("/run", W_OK | X_OK));
  return (ours ? Place{run_directory, ""} : place_elsewhere()).path(name, suffix);
}

bool is_our_directory(const std::string& path) {
  struct stat status = {};
  return lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) &&
         status.st_uid == geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool is_our_file(const struct stat& status) {
  return S_ISREG(status.st_mode) && status.st_uid == geteuid() && status.st_nlink == 1;
}

bool may_be_believed(int connected, const std::string& path) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(connected, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  if (peer.uid == geteuid()) return true;
  struct stat directory = {};
  const std::string parent = path.substr(0, path.rfind('/'));
  return geteuid() == 0 && lstat(parent.c_str(), &directory) == 0 && S_ISDIR(directory.st_mode) &&
         directory.st_uid == peer.uid && (directory.st_mode & S_IWOTH) == 0;
}

std::string dpdk_parent() {
  const char* given = std::getenv("RUNTIME_DIRECTORY");
  std::string parent = given != nullptr ? given : geteuid() == 0 ? "/var/run" : "";
  if (parent.empty()) {
    parent = place_elsewhere().directory;
    if (parent.starts_with("/tmp/")) mkdir(parent.c_str(), 0700);
    if (!is_our_directory(parent)) return {};
  }
  const std::string dpdk = parent + "/dpdk";
  const std::string& asked = access(dpdk.c_str(), F_OK) == 0 ? dpdk : parent;
  return access(asked.c_str(), W_OK | X_OK) == 0 ? parent : "";
}

void clear_dead_instances(const std::string& dpdk) {
  const Place at = place();
  for (const std::string& file : Sysfs{}.names(at.directory)) {
    if (!file.starts_with(at.prefix) || !file.ends_with(lock_ending)) continue;
    const std::size_t length = file.size() - at.prefix.size() - lock_ending.size();
    clear_instance(at, file.substr(at.prefix.size(), length), dpdk);
  }
}

}  // namespace salut
