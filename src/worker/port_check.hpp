// Checks that the machine can give the configuration its ports, before DPDK touches any of them.
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

// Checks the cards, and the kernel's interfaces below vdevs.
Result<void> check_ports(const Config& config, const Sysfs& sysfs);

// Checks that each TAP can be made: a name that is taken would cost the process its one start of
// DPDK. It makes and removes them, so the name of the instance is to be ours.
Result<void> check_taps(const Config& config);

// An Error unless the interface exists, is up, and does not carry the machine's default route:
// AF_XDP would take every frame of its queue, and with the other drivers the kernel would answer
// too. Errors start with `key`, whose value is the vdev.
Result<void> check_interface(const io::Vdev& vdev, const Netdev& interface,
                             std::string_view key = "vdev");

// The NUMA node of a core; -1 if the kernel does not say.
int numa_node_of(const Sysfs& sysfs, std::uint32_t core);
// A note, "what; want …", if the port's card is on another NUMA node than the core of a worker that
// polls it. REQUIRES: config.cores is filled in.
std::optional<std::string> numa_note(const Config& config, const PortConfig& port,
                                     const Sysfs& sysfs);
// The notes about all ports.
std::vector<std::string> numa_notes(const Config& config, const Sysfs& sysfs);

}  // namespace salut
