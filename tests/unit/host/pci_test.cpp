// Which cards a port may have.
#include "host/pci.hpp"

#include "doctor/machine_tree.hpp"
#include "worker/port_check.hpp"

namespace salut {
namespace {

constexpr const char* address = "0000:03:00.0";

class Card : public testing::Test {
 protected:
  std::string refused() const {
    const auto may = PciDevice::read(tree_.system(), address).usable();
    return may ? "" : may.error().message;
  }
  bool says(std::string_view word) const { return refused().find(word) != std::string::npos; }

  MachineTree tree_;
};

TEST_F(Card, absent_is_refused_by_its_address) {
  EXPECT_TRUE(says("pci = \"0000:03:00.0\": no such device; want ")) << refused();
}

TEST_F(Card, each_driver_for_user_space_is_good) {
  for (const char* driver : {"vfio-pci", "uio_pci_generic", "igb_uio"}) {
    tree_.card(address, "0x8086", "0x10fb", driver);
    EXPECT_EQ(refused(), "") << driver;
  }
}

TEST_F(Card, upper_case_names_the_same_card) {
  tree_.card("0000:0a:00.0", "0x8086", "0x10fb", "vfio-pci");
  EXPECT_TRUE(PciDevice::read(tree_.system(), "0000:0A:00.0").there);
}

TEST_F(Card, kernel_driver_is_refused_with_the_command) {
  const std::string at = tree_.card(address, "0x8086", "0x10fb", "ixgbe");
  tree_.directory(at + "/net/enp3s0");
  tree_.interface("enp3s0", "0x1002\n", "1500\n");
  EXPECT_TRUE(says("driver ixgbe, interface enp3s0 (down, MTU 1500)")) << refused();
  EXPECT_TRUE(says("; want dpdk-devbind.py --bind=vfio-pci 0000:03:00.0")) << refused();
}

TEST_F(Card, no_driver_is_refused_with_the_command) {
  tree_.card(address, "0x8086", "0x10fb", "");
  EXPECT_TRUE(says("no driver; want dpdk-devbind.py --bind=vfio-pci")) << refused();
}

// The way out of the machine: nobody is told how to take that.
TEST_F(Card, default_route_is_never_taken) {
  const std::string at = tree_.card(address, "0x1af4", "0x1041", "virtio-pci");
  tree_.directory(at + "/virtio2/net/eth0");
  tree_.interface("eth0", "0x1003\n", "1400\n");
  tree_.file("/proc/net/route",
             "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
             "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
  EXPECT_TRUE(says("in use by the kernel and never taken")) << refused();
  EXPECT_TRUE(says("eth0 (up, default route, MTU 1400)")) << refused();
  EXPECT_FALSE(says("devbind")) << refused();
}

TEST_F(Card, default_route_of_ip6_counts_too) {
  const std::string at = tree_.card(address, "0x15b3", "0x1019", "mlx5_core");
  tree_.directory(at + "/net/eth0");
  tree_.interface("eth0", "0x1003\n", "1500\n");
  const std::string zeros(32, '0');
  tree_.file("/proc/net/ipv6_route", zeros + " 00 " + zeros + " 00 " + zeros +
                                         " 00000400 00000003 00000000 00000003     eth0\n");
  EXPECT_TRUE(says("in use by the kernel")) << refused();
}

TEST_F(Card, link_local_address_is_no_use_but_a_global_one_is) {
  const std::string at = tree_.card(address, "0x15b3", "0x1019", "mlx5_core");
  tree_.directory(at + "/net/eth1");
  tree_.interface("eth1", "0x1003\n", "1500\n");
  tree_.file("/proc/net/if_inet6", "fe800000000000000000000000000001 04 40 20 80     eth1\n");
  EXPECT_EQ(refused(), "");
  tree_.file("/proc/net/if_inet6", "fd000000000000000000000000000001 04 40 00 80     eth1\n");
  EXPECT_TRUE(says("in use by the kernel")) << refused();
}

// /sys is often that of another network namespace, whose routes nobody here can see.
TEST_F(Card, up_in_another_namespace_is_in_use) {
  const std::string at = tree_.card(address, "0x1af4", "0x1041", "virtio-pci");
  tree_.directory(at + "/virtio2/net/eth0");
  tree_.file("/sys/class/net/eth0/flags", "0x1003\n");
  EXPECT_TRUE(says("never taken")) << refused();
  tree_.file("/sys/class/net/eth0/flags", "0x1002\n");
  EXPECT_TRUE(says("--bind=vfio-pci")) << refused();
}

TEST_F(Card, part_of_a_bridge_is_in_use) {
  const std::string at = tree_.card(address, "0x15b3", "0x1019", "mlx5_core");
  tree_.directory(at + "/net/eth1");
  tree_.interface("eth1", "0x1003\n", "1500\n");
  EXPECT_EQ(refused(), "");
  tree_.link("/sys/class/net/eth1/master", "../br0");
  EXPECT_TRUE(says("part of br0")) << refused();
}

// Whoever mistypes an address is not told how to take the disk from the kernel.
TEST_F(Card, disk_is_no_network_card) {
  const std::string at = tree_.card(address, "0x1af4", "0x1042", "virtio-pci");
  tree_.file(at + "/class", "0x018000\n");
  EXPECT_TRUE(says("no network card")) << refused();
  EXPECT_FALSE(says("--bind")) << refused();
}

Config on_card() {
  Config config;
  config.cores = {0};
  config.ports.resize(2);
  config.ports[0].name = "loop";
  config.ports[0].peer = "loop";
  config.ports[1].name = "lan";
  config.ports[1].type = PortType::pci;
  config.ports[1].pci = address;
  return config;
}

TEST_F(Card, check_of_ports_names_the_key) {
  const auto checked = check_ports(on_card(), tree_.system());
  ASSERT_FALSE(checked);
  EXPECT_TRUE(checked.error().message.starts_with("port[1].pci = \"0000:03:00.0\": "));
  tree_.card(address, "0x8086", "0x10fb", "vfio-pci");
  EXPECT_TRUE(check_ports(on_card(), tree_.system()));
}

TEST_F(Card, other_node_than_its_core_is_a_note) {
  const std::string at = tree_.card(address, "0x8086", "0x10fb", "vfio-pci");
  tree_.directory("/sys/devices/system/cpu/cpu0/node0");
  tree_.file("/sys/devices/system/node/node1/cpulist", "8-15\n");
  EXPECT_TRUE(numa_notes(on_card(), tree_.system()).empty());  // the card does not say
  tree_.file(at + "/numa_node", "0\n");
  EXPECT_TRUE(numa_notes(on_card(), tree_.system()).empty());
  tree_.file(at + "/numa_node", "1\n");
  const auto notes = numa_notes(on_card(), tree_.system());
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0],
            "port[1].pci = \"0000:03:00.0\": the card is on NUMA node 1, core 0 on another: every "
            "frame crosses between them; want workers.cores among 8-15");
}

Config on_interface(std::string words) {
  Config config;
  config.ports.resize(1);
  config.ports[0].type = PortType::vdev;
  config.ports[0].vdev = std::move(words);
  return config;
}

TEST_F(Card, way_out_of_the_machine_is_never_taken) {
  const Config xdp = on_interface("net_af_xdp0,iface=eth0");
  auto checked = check_ports(xdp, tree_.system());
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().message.find("no network interface eth0"), std::string::npos);
  tree_.interface("eth0", "0x1003\n", "1500\n");
  EXPECT_TRUE(check_ports(xdp, tree_.system()));
  tree_.file("/proc/net/route", "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
  checked = check_ports(xdp, tree_.system());
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().message.find("never taken"), std::string::npos);
  // A packet socket takes copies, but whom the kernel answers too is answered twice.
  EXPECT_FALSE(check_ports(on_interface("net_af_packet0,iface=eth0"), tree_.system()));
}

TEST(Sysfs, lists_of_numbers) {
  EXPECT_EQ(parse_list("0-3,8"), (std::vector<std::uint32_t>{0, 1, 2, 3, 8}));
  EXPECT_EQ(parse_list(""), std::vector<std::uint32_t>{});
  EXPECT_EQ(parse_list("(null)"), std::vector<std::uint32_t>{});
  EXPECT_EQ(parse_list("5,0-99999999999"), std::vector<std::uint32_t>{5});
  EXPECT_EQ(list_of({0, 1, 2, 3, 8, 10, 11}), "0-3,8,10-11");
  EXPECT_EQ(list_of({}), "");
}

TEST(Sysfs, capabilities_are_the_effective_ones) {
  MachineTree tree;
  EXPECT_FALSE(tree.system().capable(12));
  tree.file("/proc/self/status",
            "Name:\tx\nCapPrm:\tffffffffffffffff\nCapEff:\t0000000000001000\n");
  EXPECT_TRUE(tree.system().capable(12));
  EXPECT_FALSE(tree.system().capable(13));
}

}  // namespace
}  // namespace salut
