// Whether a network interface of the kernel runs: DPDK's devices on one (af_packet, af_xdp, pcap)
// say that their link is up whatever the kernel knows.
//
// Threads: control thread. Namespaces: the process's own.
#pragma once

#include <string>

namespace salut::io {

// Up, and with a carrier.
bool netdev_runs(const std::string& name);

}  // namespace salut::io
