// The checks of network cards: the IOMMU, the driver, the rights of this process, and the queues.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "doctor/doctor_parts.hpp"
#include "host/pci.hpp"
#include "worker/port_check.hpp"

namespace salut::doctor {
namespace {

// What a card's PCI IDs tell before a driver has asked it.
struct Family {
  std::uint32_t vendor;
  std::uint32_t device;  // 0: all other devices of the vendor
  std::string_view driver;
  std::size_t queues;  // 0: only known at start
  bool rss;
};
constexpr Family families[] = {
    {0x1af4, 0, "net_virtio", 0, false},        // RSS only if the hypervisor offers it
    {0x15ad, 0x07b0, "net_vmxnet3", 0, false},  // it reports RSS, and delivers to queue 0
    {0x8086, 0x10d3, "net_e1000_em", 1, false},
    {0x8086, 0x100e, "net_e1000_em", 1, false},
    {0x8086, 0, "an Intel driver of DPDK", 0, true},
    {0x15b3, 0, "mlx5_pci or mlx4", 0, true},
    {0x1d0f, 0, "net_ena", 0, true},
    {0x1ae0, 0, "net_gve", 0, false},
    {0x14e4, 0, "net_bnxt", 0, true},
};

const Family* family_of(const PciDevice& device) {
  for (const Family& one : families) {
    if (one.vendor == device.vendor && (one.device == device.device || one.device == 0))
      return &one;
  }
  return nullptr;
}

constexpr const char* no_iommu_mode = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode";

bool without_iommu(const Sysfs& sysfs) {
  const std::string text = sysfs.line(no_iommu_mode);
  return text == "Y" || text == "1";
}

bool any_card(const Config& config) {
  return std::any_of(config.ports.begin(), config.ports.end(),
                     [](const PortConfig& port) { return port.type == PortType::pci; });
}

void examine_vfio(Examination& e, const PortConfig& port, const PciDevice& device,
                  const MemoryPlan& plan) {
  const std::string real = "/dev/vfio/" + device.iommu_group;
  const std::string unsafe = "/dev/vfio/noiommu-" + device.iommu_group;
  const bool translated = !device.iommu_group.empty() && e.sysfs.exists(real);
  const std::string group = translated ? real : unsafe;
  const std::string check = of_port(port, "permissions");
  if (device.iommu_group.empty() || !e.sysfs.exists(group)) {
    return e.red(check, "bound to vfio-pci, but there is no file of its group in /dev/vfio",
                 fmt::format("dpdk-devbind.py --bind=vfio-pci {}; of a container: --device {}",
                             port.pci, device.iommu_group.empty() ? "/dev/vfio" : real));
  }
  for (const std::string& file : {std::string("/dev/vfio/vfio"), group}) {
    if (e.sysfs.may(file, R_OK | W_OK)) continue;
    return e.red(check, fmt::format("{} cannot be opened by this user", file),
                 fmt::format("chown $USER {}", file));
  }
  if (!translated && !e.sysfs.capable(cap_sys_rawio)) {
    return e.red(check, "without an IOMMU, vfio wants CAP_SYS_RAWIO", "run as root");
  }
  e.green(check, group);
  if (translated) examine_locked(e, port, plan);
  if (translated || plan.hugepages) return;
  e.red(of_port(port, "memory"), "a card without an IOMMU needs memory that does not move",
        fmt::format("echo {} > /proc/sys/vm/nr_hugepages", (plan.huge_mb + 1) / 2));
}

void examine_uio(Examination& e, const PortConfig& port, const PciDevice& device,
                 const MemoryPlan& plan) {
  const std::string check = of_port(port, "permissions");
  if (!e.sysfs.capable(cap_sys_admin) || !e.sysfs.capable(cap_sys_rawio)) {
    e.red(check,
          fmt::format("{} without an IOMMU: physical addresses are for CAP_SYS_ADMIN and "
                      "CAP_SYS_RAWIO",
                      device.driver),
          fmt::format("run as root, or dpdk-devbind.py --bind=vfio-pci {}", port.pci));
  } else {
    e.green(check, device.driver + ", as root");
  }
  if (plan.hugepages) return;
  e.red(of_port(port, "memory"), "a card without an IOMMU needs memory that does not move",
        fmt::format("echo {} > /proc/sys/vm/nr_hugepages", (plan.huge_mb + 1) / 2));
}

void examine_numa(Examination& e, const PortConfig& port, const PciDevice& device) {
  if (const auto note = numa_note(e.config, port, e.sysfs)) {
    Finding finding = refusal(of_port(port, "NUMA"), {Errc::ok, *note});
    finding.health = Health::yellow;
    e.findings.push_back(std::move(finding));
  } else if (device.numa_node >= 0) {
    e.green(of_port(port, "NUMA"), fmt::format("node {}, as its cores", device.numa_node));
  } else {
    e.green(of_port(port, "NUMA"), "one node, as far as the kernel says");
  }
}

// If the kernel's driver keeps the card too, the kernel knows its queues. For others DPDK's driver
// knows them at start.
void examine_card_queues(Examination& e, const PortConfig& port, const PciDevice& device) {
  const Family* family = family_of(device);
  if (family == nullptr) {
    return e.yellow(of_port(port, "queues"),
                    "a card that this list does not know: DPDK may have no driver for it",
                    "dpdk-testpmd -a " + port.pci + " -- --stats-period 1");
  }
  std::size_t queues = family->queues;
  for (const Netdev& interface : device.interfaces) {
    for (const std::string& queue : e.sysfs.names("/sys/class/net/" + interface.name + "/queues")) {
      queues += queue.starts_with("rx-") ? 1 : 0;
    }
  }
  examine_queues(e, port, queues, family->rss);
}

void examine_card_mtu(Examination& e, const PortConfig& port, const PciDevice& device) {
  for (const Netdev& interface : device.interfaces) {
    if (!interface.mtu || *interface.mtu >= port.mtu) continue;
    return e.yellow(of_port(port, "MTU"),
                    fmt::format("{}, and {} has {}", port.mtu, interface.name, *interface.mtu),
                    fmt::format("ip link set {} mtu {}", interface.name, port.mtu));
  }
  e.green(
      of_port(port, "MTU"),
      fmt::format("{}; the card's limit and the link's other end are known at start", port.mtu));
}

}  // namespace

// vfio pins the memory that a card may use, and AF_XDP the memory that the kernel fills; both count
// against RLIMIT_MEMLOCK.
void examine_locked(Examination& e, const PortConfig& port, const MemoryPlan& plan) {
  if (e.sysfs.capable(cap_ipc_lock)) return;
  const std::string prefix = "Max locked memory";
  for (const std::string& line : e.sysfs.lines("/proc/self/limits")) {
    if (!line.starts_with(prefix)) continue;
    const std::size_t digits = line.find_first_not_of(' ', prefix.size());
    std::uint64_t bytes = 0;
    if (digits == std::string::npos ||
        std::from_chars(line.data() + digits, line.data() + line.size(), bytes).ec != std::errc{}) {
      return;  // unlimited
    }
    if (bytes / 1'048'576 >= plan.huge_mb) return;
    return e.red(of_port(port, "locked memory"),
                 fmt::format("{} bytes may be locked, {} MB are to be", bytes, plan.huge_mb),
                 "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit");
  }
}

void examine_iommu(Examination& e) {
  const std::size_t groups = e.sysfs.names("/sys/kernel/iommu_groups").size();
  const std::string text = groups == 0 ? "none" : fmt::format("{} groups", groups);
  if (!any_card(e.config)) return e.green("IOMMU", text + "; no port needs one");
  const bool loaded = e.sysfs.exists("/sys/bus/pci/drivers/vfio-pci");
  const std::string driver = loaded ? "vfio-pci is loaded" : "vfio-pci is not loaded";
  const std::string unsafe = without_iommu(e.sysfs) ? ", in no-IOMMU mode" : "";
  const std::string both = fmt::format("{}, {}{}", text, driver, unsafe);
  if (groups == 0) {
    return e.yellow("IOMMU", both + ": a card can write to any memory of this machine",
                    "the firmware's VT-d or AMD-Vi, and intel_iommu=on iommu=pt on the kernel's "
                    "command line");
  }
  if (!loaded) return e.yellow("IOMMU", both, "modprobe vfio-pci");
  e.green("IOMMU", both);
}

void examine_pci(Examination& e, const PortConfig& port, const MemoryPlan& plan) {
  const PciDevice device = PciDevice::read(e.sysfs, port.pci);
  const bool usable = e.judge(of_port(port, "driver"), device.usable(), device.describe());
  if (!usable) return;
  if (device.driver == "vfio-pci") {
    examine_vfio(e, port, device, plan);
  } else if (device.for_user_space()) {
    examine_uio(e, port, device, plan);
  } else {
    e.yellow(of_port(port, "permissions"), "those of " + device.driver + " are known at start",
             "root, or CAP_NET_RAW, CAP_NET_ADMIN and CAP_IPC_LOCK, and /dev/infiniband for mlx");
  }
  examine_numa(e, port, device);
  examine_card_queues(e, port, device);
  e.green(of_port(port, "offloads"), "asked of the card at start, and printed there");
  examine_card_mtu(e, port, device);
}

}  // namespace salut::doctor
