// One process per instance name: a lock that the kernel releases however the process ends.
//
// Threads: control thread.
#pragma once

#include <optional>
#include <string>

#include "host/sysfs.hpp"
#include "salut/error.hpp"

namespace salut {

class InstanceLock {
 public:
  // Errors start with the key: `name = "echo": process 4711 runs under this name; …`.
  static Result<InstanceLock> take(const std::string& name);
  // Whether take() would succeed now. It changes nothing: it reads the kernel's list of locks.
  static Result<void> ask(const std::string& name, const Sysfs& sysfs);
  // The process that has this name now, if one has; 0 if it does not say which.
  static std::optional<int> holder(const std::string& name);
  InstanceLock(InstanceLock&& other) noexcept;
  InstanceLock& operator=(InstanceLock&& other) noexcept;
  ~InstanceLock();

 private:
  InstanceLock(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_ = -1;
};

}  // namespace salut
