// What the machine must be for the ports of a configuration, asked before DPDK sees any of them.
//
// Threads: control thread. Errors start with the key: `port[0].pci = "…": what; want …`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/netdev.hpp"
#include "host/sysfs.hpp"
#include "io/vdev.hpp"
#include "salut/config.hpp"
#include "salut/error.hpp"

namespace salut {

// Cards, and interfaces of the kernel that a vdev takes frames from.
Result<void> check_ports(const Config& config, const Sysfs& sysfs);

// The interface that a vdev is told to use, net_af_packet0,iface=eth1; empty if none.
std::string interface_of(const io::Vdev& vdev);
// It is there and up, and not this machine's way out: AF_XDP takes every frame of its queue, and
// beside any of them the kernel would answer too. Errors start with `key`, the words as its value.
Result<void> check_interface(const io::Vdev& vdev, const Netdev& interface,
                             std::string_view key = "vdev");

// The node of a core; -1 if the kernel does not say.
int numa_node_of(const Sysfs& sysfs, std::uint32_t core);
// Whether the port's card is on another node than the core of a worker that polls it: "what; want
// …". Cores must have been chosen.
std::optional<std::string> numa_note(const Config& config, const PortConfig& port,
                                     const Sysfs& sysfs);
// Those of all ports.
std::vector<std::string> numa_notes(const Config& config, const Sysfs& sysfs);

}  // namespace salut
