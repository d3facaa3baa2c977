// A network interface of the kernel, and whether somebody would miss it.
//
// Threads: control thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "host/sysfs.hpp"

namespace salut {

struct Netdev {
  std::string name;
  bool there = false;  // in this network namespace
  bool up = false;
  bool addressed = false;      // has an address, or a route leads over it
  bool default_route = false;  // the machine's default route does
  std::string master;          // the bridge or bond that it is part of
  std::optional<std::uint32_t> mtu;

  static Netdev read(const Sysfs& sysfs, const std::string& name);
  // Somebody would miss it, or might: of one that is up in another namespace we cannot know.
  bool in_use() const { return default_route || (up && (addressed || !master.empty() || !there)); }
  // "eth0 (up, default route, MTU 1500)"
  std::string describe() const;
};

}  // namespace salut
