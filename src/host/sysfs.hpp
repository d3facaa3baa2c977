// What the kernel shows of the machine below /sys, /proc and /dev: read, never written.
//
// `salut doctor` and the start of a runtime judge the machine by the same code. All of it reads
// below a root that a test replaces by a tree of its own; what is not there reads as empty, since
// kernels, containers and hypervisors each leave something out.
//
// Thread safety: immutable. Cost: a few system calls per question; control thread, at start.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace salut {

class Sysfs {
 public:
  explicit Sysfs(std::string root = {}) : root_(std::move(root)) {}

  const std::string& root() const { return root_; }
  std::string at(std::string_view path) const { return root_ + std::string(path); }

  bool exists(std::string_view path) const;
  // As access(2) has it: R_OK, W_OK, X_OK.
  bool may(std::string_view path, int mode) const;
  // Opens for reading and writing and closes again: only for files on which that has no effect.
  bool opens(std::string_view path) const;
  // The first line, without the space around it.
  std::string line(std::string_view path) const;
  std::vector<std::string> lines(std::string_view path) const;
  // Decimal, or hexadecimal with 0x.
  std::optional<std::int64_t> number(std::string_view path) const;
  // The last name of what a symbolic link points to.
  std::string target(std::string_view link) const;
  // The names in a directory, sorted.
  std::vector<std::string> names(std::string_view directory) const;
  // What follows "key:" in a file such as /proc/self/status.
  std::string value_of(std::string_view path, std::string_view key) const;

  // Numbers of cpuset(7)'s lists, "0-3,8".
  std::vector<std::uint32_t> list(std::string_view path) const;
  // Of CapEff: "has this process CAP_NET_ADMIN (12)?"
  bool capable(unsigned capability) const;

 private:
  std::string root_;
};

std::vector<std::uint32_t> parse_list(std::string_view text);
// "0-3,8"
std::string list_of(const std::vector<std::uint32_t>& numbers);

}  // namespace salut
