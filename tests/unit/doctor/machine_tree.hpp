// A machine made of files: /sys, /proc and /dev below a directory, which goes with the object.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "host/sysfs.hpp"

namespace salut {

class MachineTree {
 public:
  MachineTree() {
    std::string name = testing::TempDir() + "salut machine.XXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~MachineTree() { std::filesystem::remove_all(root_); }
  MachineTree(const MachineTree&) = delete;

  Sysfs system() const { return Sysfs(root_); }
  std::string at(std::string_view path) const { return root_ + std::string(path); }

  void file(std::string_view path, std::string_view text) const {
    std::filesystem::create_directories(std::filesystem::path(at(path)).parent_path());
    std::ofstream(at(path), std::ios::trunc) << text;
  }
  void directory(std::string_view path) const { std::filesystem::create_directories(at(path)); }
  void link(std::string_view path, std::string_view to) const {
    std::filesystem::create_directories(std::filesystem::path(at(path)).parent_path());
    std::filesystem::remove(at(path));
    std::filesystem::create_symlink(to, at(path));
  }
  void remove(std::string_view path) const { std::filesystem::remove_all(at(path)); }

  // An interface of the kernel; `flags` as /sys has them, 0x1003 is up.
  void interface(const std::string& name, std::string_view flags, std::string_view mtu) const {
    file("/sys/class/net/" + name + "/flags", flags);
    file("/sys/class/net/" + name + "/mtu", mtu);
    interfaces_ += "  " + name + ": 0 0\n";
    file("/proc/net/dev", "Inter-|   Receive\n face |bytes\n" + interfaces_);
  }
  // A network card with that driver; "" for none.
  std::string card(const std::string& address, std::string_view vendor, std::string_view device,
                   std::string_view driver) const {
    const std::string path = "/sys/bus/pci/devices/" + address;
    file(path + "/vendor", vendor);
    file(path + "/device", device);
    file(path + "/class", "0x020000\n");
    file(path + "/numa_node", "-1\n");
    remove(path + "/driver");
    if (!driver.empty()) link(path + "/driver", "../../../bus/pci/drivers/" + std::string(driver));
    return path;
  }

 private:
  std::string root_;
  mutable std::string interfaces_;
};

}  // namespace salut
