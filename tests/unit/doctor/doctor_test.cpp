// The doctor on machines made of files: each test spoils one thing of a machine on which all is
// well, and asserts that this and nothing else is found.
#include "doctor/doctor.hpp"

#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "machine_tree.hpp"

namespace salut::doctor {
namespace {

class Doctor : public testing::Test {
 protected:
  Doctor() {
    tree_.file(
        "/proc/cpuinfo",
        "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu constant_tsc nonstop_tsc sse4_2 "
        "avx2 bmi2\n");
    clock("tsc");
    tree_.file("/sys/devices/system/cpu/isolated", "2-3\n");
    tree_.file("/sys/devices/system/cpu/nohz_full", "2-3\n");
    tree_.file("/sys/devices/system/cpu/online", "0-3\n");
    for (const std::string core : {"2", "3"}) {
      const std::string at = "/sys/devices/system/cpu/cpu" + core;
      tree_.file(at + "/cpufreq/scaling_governor", "performance\n");
      tree_.file(at + "/topology/thread_siblings_list", core + "\n");
      tree_.directory(at + "/node0");
    }
    huge_pages("1024");
    tree_.file("/proc/meminfo", "MemTotal: 33554432 kB\nMemAvailable: 16777216 kB\n");
    rights("ffffffffffffffff");
    tree_.directory("/run/salut");
    tree_.file("/dev/net/tun", "");
    tree_.file("/proc/misc", "200 tun\n");
    tree_.interface("lo", "0x9\n", "65536\n");
    config_.name = "patient";
    config_.cores = {2};
    tap();
  }

  void clock(std::string_view source) const {
    tree_.file("/sys/devices/system/clocksource/clocksource0/current_clocksource", source);
  }
  void huge_pages(std::string_view free) const {
    tree_.file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", free);
    tree_.file("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", free);
  }
  void rights(const std::string& mask) const {
    tree_.file("/proc/self/status", "CapEff:\t" + mask + "\n");
  }

  void tap() {
    PortConfig port;
    port.name = "tap";
    port.type = PortType::tap;
    port.interface = "salut0";
    config_.ports = {port};
  }
  void vdev(std::string words) {
    PortConfig port;
    port.name = "wire";
    port.type = PortType::vdev;
    port.vdev = std::move(words);
    config_.ports = {port};
  }
  // A card with everything right: IOMMU, vfio-pci, its group's file.
  void card() {
    PortConfig port;
    port.name = "lan";
    port.type = PortType::pci;
    port.pci = "0000:03:00.0";
    config_.ports = {port};
    const std::string at = tree_.card(port.pci, "0x8086", "0x10fb", "vfio-pci");
    tree_.link(at + "/iommu_group", "../../../kernel/iommu_groups/7");
    tree_.directory("/sys/kernel/iommu_groups/7");
    tree_.directory("/sys/bus/pci/drivers/vfio-pci");
    tree_.file("/dev/vfio/7", "");
    tree_.file("/dev/vfio/vfio", "");
  }

  std::vector<Finding> findings() const { return examine(config_, tree_.system(), {0, 1, 2, 3}); }
  // All that is not green, "red hugepages; yellow clock".
  std::string complaints() const {
    std::string text;
    for (const Finding& one : findings()) {
      if (one.health == Health::green) continue;
      EXPECT_FALSE(one.mend.empty()) << one.check;
      text += (text.empty() ? "" : "; ");
      text += (one.health == Health::red ? "red " : "yellow ") + one.check;
    }
    return text;
  }
  std::string about(std::string_view check) const {
    for (const Finding& one : findings()) {
      if (one.check == check) return one.found + " | " + one.mend;
    }
    return "nothing";
  }
  bool says(std::string_view check, std::string_view words) const {
    return about(check).find(words) != std::string::npos;
  }

  MachineTree tree_;
  Config config_;
};

TEST_F(Doctor, good_machine_is_green) {
  EXPECT_EQ(complaints(), "");
  EXPECT_TRUE(can_start(findings()));
  card();
  EXPECT_EQ(complaints(), "");
}

TEST_F(Doctor, machine_alone_asks_for_no_port) {
  config_.ports.clear();
  EXPECT_EQ(complaints(), "");
  huge_pages("0");
  EXPECT_EQ(complaints(), "yellow hugepages");
  EXPECT_TRUE(says("hugepages", "echo 512 > /proc/sys/vm/nr_hugepages"));
}

TEST_F(Doctor, cpu_without_sse4_is_red) {
  tree_.file("/proc/cpuinfo", "flags\t: constant_tsc nonstop_tsc\n");
  EXPECT_EQ(complaints(), "red cpu");
}

TEST_F(Doctor, clock_that_is_not_the_tsc_is_yellow) {
  clock("kvm-clock\n");  // which scales it
  EXPECT_EQ(complaints(), "");
  clock("hpet\n");
  EXPECT_EQ(complaints(), "yellow clock");
  EXPECT_TRUE(says("clock", "echo tsc > "));
}

TEST_F(Doctor, tsc_that_stops_is_yellow) {
  tree_.file("/proc/cpuinfo", "flags\t: constant_tsc sse4_2 avx2 bmi2\n");
  EXPECT_EQ(complaints(), "yellow clock");
}

TEST_F(Doctor, hugepages_short_of_what_is_wanted) {
  huge_pages("10");
  EXPECT_EQ(complaints(), "yellow hugepages");
  config_.hugepages = "on";
  EXPECT_EQ(complaints(), "red hugepages");
  EXPECT_FALSE(can_start(findings()));
  config_.hugepages = "off";
  EXPECT_EQ(complaints(), "");
}

// What is there already and in use must stay: the number to write is of all pages.
TEST_F(Doctor, hugepages_command_adds_to_those_in_use) {
  huge_pages("1000");
  tree_.file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0\n");
  config_.megabytes = 100;
  EXPECT_TRUE(says("hugepages", "echo 1050 > ")) << about("hugepages");
}

TEST_F(Doctor, memory_that_is_not_there_is_red) {
  config_.stack.connections = 67'108'863;  // 38 GiB
  tree_.file("/proc/meminfo", "MemAvailable: 67108864 kB\n");
  EXPECT_EQ(complaints(), "");
  tree_.file("/proc/meminfo", "MemAvailable: 33554432 kB\n");
  EXPECT_EQ(complaints(), "red memory");
  EXPECT_TRUE(says("memory", "stack.connections = 67108863"));
}

TEST_F(Doctor, group_that_leaves_less_memory_is_red) {
  tree_.file("/proc/self/cgroup", "0::/pod/salut\n");
  tree_.file("/sys/fs/cgroup/pod/memory.max", "104857600\n");
  tree_.file("/sys/fs/cgroup/pod/memory.current", "0\n");
  config_.stack.connections = 1'000'000;
  EXPECT_EQ(complaints(), "red memory");
}

TEST_F(Doctor, workers_on_one_core_are_yellow) {
  config_.workers = 2;
  config_.ports[0].workers = {0};
  config_.cores = {2, 2};
  EXPECT_EQ(complaints(), "yellow cores");
  config_.cores = {2, 3};
  EXPECT_EQ(complaints(), "");
  tree_.file("/sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2-3\n");
  EXPECT_EQ(complaints(), "yellow cores");
}

TEST_F(Doctor, cores_are_chosen_as_the_start_chooses_them) {
  config_.cores.clear();
  EXPECT_TRUE(says("cores", "worker 0 on core 0")) << about("cores");
  config_.workers = 5;
  EXPECT_TRUE(says("cores", "worker 4 on core 0")) << about("cores");
  EXPECT_TRUE(says("cores", "workers.count = 4")) << about("cores");
}

TEST_F(Doctor, core_that_others_run_on_is_yellow) {
  tree_.file("/sys/devices/system/cpu/isolated", "\n");
  EXPECT_EQ(complaints(), "yellow isolated cores");
  EXPECT_TRUE(says("isolated cores", "isolcpus=managed_irq,domain,2"));
  tree_.remove("/sys/devices/system/cpu/nohz_full");
  EXPECT_EQ(complaints(), "yellow isolated cores; yellow tick");
}

TEST_F(Doctor, governor_that_saves_power_is_yellow) {
  tree_.file("/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "powersave\n");
  EXPECT_EQ(complaints(), "yellow frequency");
  EXPECT_TRUE(says("frequency", "cpupower -c 2 frequency-set -g performance"));
}

TEST_F(Doctor, tap_wants_its_device_file) {
  tree_.remove("/dev/net/tun");
  EXPECT_EQ(complaints(), "red port tap, permissions");
  EXPECT_TRUE(says("port tap, permissions", "mknod"));
  tree_.remove("/proc/misc");
  EXPECT_TRUE(says("port tap, permissions", "modprobe tun"));
}

// DPDK's drivers of some kinds of port take no large frames, whatever the kernel's end would.
TEST_F(Doctor, mtu_that_the_driver_does_not_take_is_red) {
  config_.ports[0].mtu = 1'504;
  EXPECT_EQ(complaints(), "");
  config_.ports[0].mtu = 9'000;
  EXPECT_EQ(complaints(), "red port tap, MTU");
  EXPECT_TRUE(says("port tap, MTU", "mtu = 1504"));
  vdev("net_memif0,role=server,id=1");
  config_.ports[0].mtu = 9'000;
  EXPECT_TRUE(says("port wire, MTU", "mtu = 1500")) << about("port wire, MTU");
}

TEST_F(Doctor, tap_wants_cap_net_admin) {
  rights("ffffffffffffefff");
  EXPECT_EQ(complaints(), "red port tap, permissions");
  EXPECT_TRUE(says("port tap, permissions", "CAP_NET_ADMIN"));
}

TEST_F(Doctor, tap_of_a_name_that_is_taken_is_red) {
  tree_.interface("salut0", "0x1003\n", "1500\n");
  EXPECT_EQ(complaints(), "red port tap, interface");
  tree_.interface("salut01", "0x1003\n", "1500\n");
  config_.ports[0].interface = "salut";  // of which both names begin
  EXPECT_EQ(complaints(), "");
}

TEST_F(Doctor, name_in_use_is_red_and_one_of_the_dead_is_not) {
  const std::string path = "/run/salut/patient.lock";
  tree_.file(path, "4711\n");
  struct stat status = {};
  ASSERT_EQ(stat(tree_.at(path).c_str(), &status), 0);
  const std::string inode = std::to_string(status.st_ino);
  EXPECT_EQ(complaints(), "");
  tree_.file("/proc/locks", "1: FLOCK  ADVISORY  WRITE 4712 fe:00:" + inode + " 0 EOF\n");
  EXPECT_EQ(complaints(), "");
  tree_.file("/proc/locks", "1: FLOCK  ADVISORY  WRITE 4711 fe:00:" + inode + " 0 EOF\n");
  EXPECT_EQ(complaints(), "red name");
  EXPECT_TRUE(says("name", "process 4711 runs under this name"));
}

TEST_F(Doctor, card_of_the_kernel_is_red_and_asked_nothing_more) {
  card();
  tree_.card("0000:03:00.0", "0x8086", "0x10fb", "ixgbe");
  EXPECT_EQ(complaints(), "red port lan, driver");
  EXPECT_TRUE(says("port lan, driver", "dpdk-devbind.py --bind=vfio-pci 0000:03:00.0"));
  EXPECT_EQ(about("port lan, queues"), "nothing");
}

TEST_F(Doctor, card_without_iommu_is_yellow_and_wants_hugepages) {
  card();
  tree_.remove("/sys/kernel/iommu_groups");
  tree_.card("0000:03:00.0", "0x1af4", "0x1041", "uio_pci_generic");
  EXPECT_EQ(complaints(), "yellow IOMMU");
  huge_pages("0");
  EXPECT_EQ(complaints(), "yellow hugepages; yellow IOMMU; red port lan, memory");
}

TEST_F(Doctor, uio_without_root_is_red) {
  card();
  tree_.card("0000:03:00.0", "0x1af4", "0x1041", "uio_pci_generic");
  rights("0");
  EXPECT_EQ(complaints(), "red port lan, permissions");
}

TEST_F(Doctor, vfio_wants_the_file_of_its_group) {
  card();
  tree_.remove("/dev/vfio/7");
  EXPECT_EQ(complaints(), "red port lan, permissions");
  tree_.file("/dev/vfio/noiommu-7", "");
  EXPECT_EQ(complaints(), "");
  rights("0");
  EXPECT_EQ(complaints(), "red port lan, permissions");
}

TEST_F(Doctor, vfio_locks_memory_and_has_a_limit) {
  card();
  tree_.file("/proc/self/limits",
             "Limit                     Soft Limit           Hard Limit           Units\n"
             "Max locked memory         8388608              8388608              bytes\n");
  EXPECT_EQ(complaints(), "");  // CAP_IPC_LOCK
  rights("0");
  EXPECT_EQ(complaints(), "red port lan, locked memory");
  tree_.file("/proc/self/limits",
             "Max locked memory         unlimited            unlimited            bytes\n");
  EXPECT_EQ(complaints(), "");
}

TEST_F(Doctor, card_on_another_node_is_yellow) {
  card();
  tree_.file("/sys/bus/pci/devices/0000:03:00.0/numa_node", "1\n");
  tree_.file("/sys/devices/system/node/node1/cpulist", "8-15\n");
  EXPECT_EQ(complaints(), "yellow port lan, NUMA");
  EXPECT_TRUE(says("port lan, NUMA", "| workers.cores among 8-15")) << about("port lan, NUMA");
  tree_.file("/sys/bus/pci/devices/0000:03:00.0/numa_node", "0\n");
  EXPECT_EQ(complaints(), "");
}

TEST_F(Doctor, card_that_the_kernel_shares_tells_its_mtu) {
  card();
  const std::string at = tree_.card("0000:03:00.0", "0x15b3", "0x1019", "mlx5_core");
  tree_.directory(at + "/net/eth1");
  tree_.directory("/sys/class/net/eth1/queues/rx-0");
  tree_.interface("eth1", "0x1003\n", "1500\n");
  EXPECT_EQ(complaints(), "yellow port lan, permissions");
  EXPECT_TRUE(says("port lan, queues", "1, for 1 worker"));
  config_.ports[0].mtu = 9'000;
  EXPECT_EQ(complaints(), "yellow port lan, permissions; yellow port lan, MTU");
  EXPECT_TRUE(says("port lan, MTU", "ip link set eth1 mtu 9000"));
}

TEST_F(Doctor, interface_of_a_packet_socket) {
  vdev("net_af_packet0,iface=eth1");
  EXPECT_EQ(complaints(), "red port wire, interface");
  tree_.interface("eth1", "0x1003\n", "1500\n");
  EXPECT_EQ(complaints(), "");
  tree_.file("/sys/class/net/eth1/mtu", "1400\n");
  EXPECT_EQ(complaints(), "yellow port wire, MTU");
  tree_.file("/sys/class/net/eth1/mtu", "1500\n");
  tree_.file("/sys/class/net/eth1/flags", "0x1002\n");
  EXPECT_EQ(complaints(), "red port wire, interface");
}

TEST_F(Doctor, packet_socket_wants_two_rights) {
  vdev("net_af_packet0,iface=eth1");
  tree_.interface("eth1", "0x1003\n", "1500\n");
  rights("0000000000001000");  // CAP_NET_ADMIN
  EXPECT_EQ(complaints(), "red port wire, permissions");
  rights("0000000000003000");
  EXPECT_EQ(complaints(), "");
}

TEST_F(Doctor, af_xdp_wants_the_rights_of_bpf) {
  vdev("net_af_xdp0,iface=eth1");
  tree_.interface("eth1", "0x1003\n", "1500\n");
  rights("0000000000003000");
  EXPECT_EQ(complaints(), "red port wire, permissions");
  EXPECT_TRUE(says("port wire, permissions", "no CAP_BPF CAP_PERFMON"));
  rights("000000c000003000");
  EXPECT_EQ(complaints(), "");
  rights("0000000000203000");  // CAP_SYS_ADMIN
  EXPECT_EQ(complaints(), "");
}

TEST_F(Doctor, workers_without_rss_and_with_too_few_queues_are_yellow) {
  config_.workers = 2;
  config_.cores = {2, 3};
  EXPECT_EQ(complaints(), "yellow port tap, queues");
  EXPECT_TRUE(says("port tap, queues", "16, for 2 workers, no RSS"));
  card();
  EXPECT_EQ(complaints(), "");
  config_.ports[0].rss = false;
  EXPECT_EQ(complaints(), "yellow port lan, queues");
  config_.ports[0].workers = {1};
  EXPECT_EQ(complaints(), "");
  config_.ports[0].workers = {};
  config_.ports[0].queues = 1;
  EXPECT_EQ(complaints(), "yellow port lan, queues");
  EXPECT_TRUE(says("port lan, queues", "1, for 2 workers: the others get their frames from"));
}

class DoctorSocket : public Doctor {
 protected:
  DoctorSocket() {
    tree_.directory("/tmp");
    tree_.link("/proc/self/ns/pid", "pid:[4026531836]");
    tree_.link("/proc/self/ns/net", "net:[1]");
    tree_.link("/proc/1/ns/net", "net:[1]");
  }
  // A socket file, as a server leaves it.
  void socket_file() const {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, tree_.at("/tmp/s").c_str(), sizeof(address.sun_path) - 1);
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    close(fd);
  }
  static std::string listener(const std::string& path) {
    return "Num       RefCount Protocol Flags    Type St Inode Path\n"
           "00000000e6c9d98d: 00000003 00000000 00000000 0001 03  1058\n"
           "0000000038310c72: 00000002 00000000 00010000 0001 01  1057 " +
           path + "\n";
  }
};

TEST_F(DoctorSocket, client_needs_the_other_side) {
  vdev("net_virtio_user0,path=/tmp/s");
  EXPECT_EQ(complaints(), "red port wire, socket");
  socket_file();
  EXPECT_EQ(complaints(), "red port wire, socket");  // nobody listens
  tree_.file("/proc/net/unix", listener("/tmp/s"));
  EXPECT_EQ(complaints(), "");
  tree_.file("/proc/net/unix", listener("/tmp/s2"));
  EXPECT_EQ(complaints(), "red port wire, socket");
}

// A listener in another network namespace is seen; where not all processes are, nothing is certain.
TEST_F(DoctorSocket, client_whose_peer_is_in_another_namespace) {
  vdev("net_virtio_user0,path=/tmp/s");
  socket_file();
  tree_.link("/proc/99/ns/net", "net:[2]");
  tree_.file("/proc/99/net/unix", listener("/tmp/s"));
  EXPECT_EQ(complaints(), "");
  tree_.file("/proc/99/net/unix", "");
  EXPECT_EQ(complaints(), "red port wire, socket");
  tree_.remove("/proc/1");  // hidepid
  EXPECT_EQ(complaints(), "yellow port wire, socket");
  tree_.link("/proc/1/ns/net", "net:[1]");
  EXPECT_EQ(complaints(), "red port wire, socket");
  tree_.link("/proc/self/ns/pid", "pid:[4026532000]");
  EXPECT_EQ(complaints(), "yellow port wire, socket");
}

TEST_F(DoctorSocket, client_that_waits_may_come_first) {
  vdev("net_memif0,role=client,socket=/tmp/s,socket-abstract=no");
  EXPECT_EQ(complaints(), "yellow port wire, socket");
  socket_file();
  EXPECT_EQ(complaints(), "yellow port wire, socket");
  tree_.file("/proc/net/unix", listener("/tmp/s"));
  EXPECT_EQ(complaints(), "");
}

TEST_F(DoctorSocket, members_of_a_bond_are_asked_each) {
  vdev("net_bonding0,mode=1,slave=net_virtio_user0,slave=net_virtio_user1");
  config_.ports[0].members = {"net_virtio_user0,path=/tmp/s", "net_virtio_user1,path=/tmp/t"};
  socket_file();
  tree_.file("/proc/net/unix", listener("/tmp/s"));
  EXPECT_EQ(complaints(), "red port wire, members[1] socket");
  EXPECT_TRUE(says("port wire, members[1] socket", "members[1] = "));
}

TEST_F(Doctor, captures_are_read_and_written_where_that_is_possible) {
  tree_.directory("/tmp");
  vdev("net_pcap0,rx_pcap=/tmp/in.pcap,tx_pcap=/tmp/out.pcap");
  EXPECT_EQ(complaints(), "red port wire, rx_pcap");
  tree_.file("/tmp/in.pcap", "x");
  EXPECT_EQ(complaints(), "");
  vdev("net_pcap0,rx_pcap=/tmp/in.pcap,tx_pcap=/absent/out.pcap");
  EXPECT_EQ(complaints(), "red port wire, tx_pcap");
}

TEST_F(DoctorSocket, virtio_user_server_keeps_the_start_waiting) {
  vdev("net_virtio_user0,path=/tmp/s,server=1");
  EXPECT_EQ(complaints(), "yellow port wire, socket");
  EXPECT_TRUE(says("port wire, socket", "the start waits"));
}

TEST_F(DoctorSocket, server_needs_the_path_for_itself) {
  vdev("net_vhost0,iface=/tmp/s");
  EXPECT_EQ(complaints(), "");
  socket_file();
  EXPECT_EQ(complaints(), "");
  EXPECT_TRUE(std::filesystem::exists(tree_.at("/tmp/s")));  // only looked at
  tree_.file("/proc/net/unix", listener("/tmp/s"));
  EXPECT_EQ(complaints(), "red port wire, socket");
  tree_.remove("/tmp/s");
  tree_.file("/tmp/s", "");
  EXPECT_EQ(complaints(), "red port wire, socket");
  vdev("net_vhost0,iface=/absent/s");
  EXPECT_EQ(complaints(), "red port wire, permissions");
}

TEST_F(Doctor, lines_are_one_per_finding_and_say_how_to_mend) {
  const std::vector<Finding> some = {{Health::green, "cpu", "good", ""},
                                     {Health::yellow, "hugepages", "few", "echo 5"},
                                     refusal("port", {Errc::not_found, "a; b; want c"})};
  EXPECT_EQ(to_lines(some, false),
            "green   cpu        good\n"
            "yellow  hugepages  few; mend: echo 5\n"
            "red     port       a; b; mend: c\n");
  EXPECT_TRUE(to_lines(some, true).starts_with("\x1b[32mgreen \x1b[0m  cpu        good\n"));
}

}  // namespace
}  // namespace salut::doctor
