// Is a network interface of the kernel up? DPDK's devices on such an interface (af_packet, af_xdp,
// pcap) always say that their link is up, so the kernel is asked.
//
// Threads: control thread. Namespaces: the process's own.
#pragma once

#include <string>

namespace salut::io {

// Is the interface up, with a carrier? False if there is no such interface.
bool netdev_runs(const std::string& name);

}  // namespace salut::io
