// A network interface of the kernel that a device of DPDK sits on (af_packet, af_xdp, pcap).
//
// The interface that leads out of this machine is never taken: a stack beside the kernel's would
// answer for it, and whoever came in by it would be cut off. DPDK says of these devices that their
// link is up whatever the kernel knows, so the kernel is asked.
//
// Threads: control thread. Namespaces: the process's own.
#pragma once

#include <cstdint>
#include <string>

#include "salut/error.hpp"

namespace salut::io {

// There, up, and not the machine's own. Errors start with `key`: `vdev = "…": what; want …`.
Result<void> check_netdev(const std::string& key, const std::string& name);

// Up, and with a carrier.
bool netdev_runs(const std::string& name);

// 0 if it is not there.
std::uint32_t netdev_mtu(const std::string& name);

}  // namespace salut::io
