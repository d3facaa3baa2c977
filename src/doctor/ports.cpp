// The checks of ports by type: wires in memory, TAPs, and DPDK's virtual devices.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "doctor/doctor_parts.hpp"
#include "io/vdev.hpp"
#include "worker/port_check.hpp"

namespace salut::doctor {
namespace {

bool has_tun(const Sysfs& sysfs) {
  for (const std::string& line : sysfs.lines("/proc/misc")) {
    if (line.ends_with(" tun")) return true;
  }
  return false;
}

void examine_tun(Examination& e, const PortConfig& port) {
  const std::string check = of_port(port, "permissions");
  constexpr const char* tun = "/dev/net/tun";
  const bool driver = has_tun(e.sysfs);
  if (!e.sysfs.exists(tun)) {
    return e.red(check, "no /dev/net/tun",
                 driver ? "mkdir -p /dev/net && mknod /dev/net/tun c 10 200; of a container: "
                          "--device /dev/net/tun"
                        : "modprobe tun, or a kernel with CONFIG_TUN");
  }
  if (!e.sysfs.may(tun, R_OK | W_OK) || (driver && !e.sysfs.opens(tun))) {
    return e.red(check, "/dev/net/tun cannot be opened by this user",
                 "chmod 666 /dev/net/tun, or run as root; of a container: --device /dev/net/tun");
  }
  if (!e.sysfs.capable(cap_net_admin)) {
    return e.red(check, "this user may not make a TAP: no CAP_NET_ADMIN",
                 "run as root, or AmbientCapabilities=CAP_NET_ADMIN in the unit");
  }
  e.green(check, "/dev/net/tun, CAP_NET_ADMIN");
}

bool is_too_much(Examination& e, const std::string& check, const io::Vdev& vdev, unsigned mtu) {
  if (mtu <= vdev.mtu_max()) return false;
  e.red(check, fmt::format("{}, and DPDK's driver takes {} at most", mtu, vdev.mtu_max()),
        fmt::format("mtu = {}, or a port of another kind (docs/configuration.md)", vdev.mtu_max()));
  return true;
}

void examine_tap(Examination& e, const PortConfig& port) {
  const Netdev there = Netdev::read(e.sysfs, port.interface);
  if (there.there) {
    e.red(of_port(port, "interface"),
          fmt::format("a network interface is called {}", port.interface),
          "another interface = \"NAME\" (on the command line: --interface NAME)");
  } else {
    e.green(of_port(port, "interface"), fmt::format("{} is a free name", port.interface));
  }
  examine_tun(e, port);
  examine_queues(e, port, 16, false);
  e.green(of_port(port, "offloads"), "checksums, by DPDK's driver");
  const io::Vdev tap = io::Vdev::parse("net_tap0");
  if (!is_too_much(e, of_port(port, "MTU"), tap, port.mtu)) {
    e.green(of_port(port, "MTU"), fmt::format("{}, of both ends", port.mtu));
  }
}

// One device of a port: its own, or a member of its bond.
struct Device {
  const PortConfig& port;
  io::Vdev vdev;
  std::string key;  // "vdev", "members[0]"

  std::string check(std::string_view what) const {
    return of_port(port, key == "vdev" ? std::string(what) : fmt::format("{} {}", key, what));
  }
};

// Checks a device that takes frames from an interface of the kernel.
void examine_attached(Examination& e, const Device& device) {
  const std::uint16_t mtu = device.port.mtu;
  const Netdev interface = Netdev::read(e.sysfs, device.vdev.netdev);
  if (!e.judge(device.check("interface"), check_interface(device.vdev, interface, device.key),
               interface.describe())) {
    return;
  }
  if (device.vdev.is("net_af_xdp") && interface.in_use()) {
    e.yellow(
        device.check("link"),
        interface.describe() + ": what comes in on this queue the kernel will not see",
        fmt::format("ip addr flush dev {}, or an interface without addresses", interface.name));
  }
  if (is_too_much(e, device.check("MTU"), device.vdev, mtu)) return;
  if (interface.mtu && *interface.mtu != mtu) {
    e.yellow(device.check("MTU"),
             fmt::format("{}, and {} has {}", mtu, interface.name, *interface.mtu),
             *interface.mtu < mtu ? fmt::format("ip link set {} mtu {}", interface.name, mtu)
                                  : fmt::format("mtu = {}", *interface.mtu));
  } else {
    e.green(device.check("MTU"), fmt::format("{}, as the interface's", mtu));
  }
}

// Checks the captures that net_pcap reads, and the files or directories that it writes.
void examine_files(Examination& e, const Device& device) {
  for (const std::string_view key : {"rx_pcap", "tx_pcap"}) {
    const std::string path = device.vdev.value(key);
    if (path.empty()) continue;
    const bool reads = key == "rx_pcap";
    const std::size_t slash = path.rfind('/');
    const std::string folder =
        slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
    const bool good = reads                  ? e.sysfs.may(path, R_OK)
                      : e.sysfs.exists(path) ? e.sysfs.may(path, W_OK)
                                             : e.sysfs.may(folder, W_OK | X_OK);
    const std::string check = device.check(key);
    if (good) {
      e.green(check, path);
    } else if (reads) {
      e.red(check, path + " cannot be read", "a capture, as `tcpdump -w FILE` makes it");
    } else {
      e.red(check, path + " cannot be written", "a file in a directory that is there");
    }
  }
}

struct Right {
  unsigned capability;
  std::string_view name;
};

void examine_rights(Examination& e, const Device& device, std::initializer_list<Right> rights) {
  std::string lacking;
  std::string all;
  for (const Right& right : rights) {
    all += fmt::format("{}{}", all.empty() ? "" : " ", right.name);
    // CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON, which came later.
    const bool of_bpf = right.capability == cap_bpf || right.capability == cap_perfmon;
    if (e.sysfs.capable(right.capability)) continue;
    if (of_bpf && e.sysfs.capable(cap_sys_admin)) continue;
    lacking += fmt::format("{}{}", lacking.empty() ? "" : " ", right.name);
  }
  if (lacking.empty()) return e.green(device.check("permissions"), all);
  e.red(device.check("permissions"), "no " + lacking,
        fmt::format("run as root, or AmbientCapabilities={} in the unit", all));
}

void examine_device(Examination& e, const Device& device, const MemoryPlan& plan) {
  const io::Vdev& vdev = device.vdev;
  if (vdev.netdev.empty()) is_too_much(e, device.check("MTU"), vdev, device.port.mtu);
  if (!vdev.netdev.empty()) examine_attached(e, device);
  if (vdev.is("net_af_packet") || vdev.is("eth_af_packet")) {
    // CAP_NET_ADMIN is for setting the MTU.
    examine_rights(e, device, {{cap_net_admin, "CAP_NET_ADMIN"}, {cap_net_raw, "CAP_NET_RAW"}});
  } else if (vdev.is("net_af_xdp")) {
    examine_rights(e, device,
                   {{cap_net_admin, "CAP_NET_ADMIN"},
                    {cap_net_raw, "CAP_NET_RAW"},
                    {cap_bpf, "CAP_BPF"},
                    {cap_perfmon, "CAP_PERFMON"}});
    examine_locked(e, device.port, plan);
  } else if (!vdev.netdev.empty()) {
    examine_rights(e, device, {{cap_net_raw, "CAP_NET_RAW"}});
  }
  examine_files(e, device);
  if (!vdev.socket.empty()) {
    examine_socket(e, vdev, device.check("socket"), device.check("permissions"), device.key);
  }
}

void examine_vdev(Examination& e, const PortConfig& port, const MemoryPlan& plan) {
  const io::Vdev vdev = io::Vdev::parse(port.vdev);
  examine_device(e, {port, vdev, "vdev"}, plan);
  for (std::size_t i = 0; i < port.members.size(); ++i) {
    examine_device(e, {port, io::Vdev::parse(port.members[i]), fmt::format("members[{}]", i)},
                   plan);
  }
  if (vdev.netdev.empty()) {
    e.green(of_port(port, "MTU"),
            fmt::format("{}; the other end must have the same, which cannot be seen", port.mtu));
  }
  examine_queues(e, port, port.queues != 0 ? port.queues : vdev.queues(), false);
  e.green(of_port(port, "offloads"),
          "checksums sent: in software; received: as the line at start says");
}

}  // namespace

void examine_queues(Examination& e, const PortConfig& port, std::size_t queues, bool rss) {
  const std::size_t workers = e.config.workers_of(port).size();
  const std::size_t told = port.queues;
  if (told != 0) queues = queues == 0 ? told : std::min(queues, told);
  const std::string check = of_port(port, "queues");
  const std::string number = queues == 0 ? "known at start" : std::to_string(queues);
  const std::string text =
      fmt::format("{}, for {} worker{}", number, workers, workers == 1 ? "" : "s");
  if (workers == 1) return e.green(check, text);
  if (queues != 0 && queues < workers) {
    return e.yellow(check, text + ": the others get their frames from those that have one",
                    fmt::format("{} queues for the device, or fewer workers", workers));
  }
  if (rss && port.rss) return e.green(check, text + ", RSS, which is tested at start");
  e.yellow(check, text + ", no RSS to rely on: frames go to their worker in software",
           "a card with RSS, or one worker");
}

void examine_port(Examination& e, const PortConfig& port, const MemoryPlan& plan) {
  switch (port.type) {
    case PortType::loop:
      return e.green(of_port(port, "wire"), fmt::format("in memory, to {}", port.peer));
    case PortType::mirror:
      return e.green(of_port(port, "wire"), "in memory, a mirror");
    case PortType::tap:
      return examine_tap(e, port);
    case PortType::pci:
      return examine_pci(e, port, plan);
    case PortType::vdev:
      return examine_vdev(e, port, plan);
  }
}

}  // namespace salut::doctor
