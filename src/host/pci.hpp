// A PCI device, read from /sys only, and whether a port may take it.
//
// DPDK probes whatever it is told to, and a card that the kernel drives may carry the very ssh
// session of its user. So a port gets a card only if that is bound to a driver for user space, or
// to one that shares it (Mellanox), and is not seen to be in use.
//
// Threads: control thread. Errors are one line: `pci = "0000:03:00.0": what; want …`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/netdev.hpp"
#include "host/sysfs.hpp"
#include "salut/error.hpp"

namespace salut {

struct PciDevice {
  std::string address;
  bool there = false;
  std::uint32_t vendor = 0;
  std::uint32_t device = 0;
  std::uint32_t kind = 0;   // of the device: 0x02 is the network's
  std::string driver;       // the kernel's: "vfio-pci", "ixgbe"; empty if none has it
  int numa_node = -1;       // -1: the machine has one, or does not say
  std::string iommu_group;  // empty: no IOMMU translates for it
  std::vector<Netdev> interfaces;

  static PciDevice read(const Sysfs& sysfs, const std::string& address);

  // vfio-pci, uio_pci_generic or igb_uio: the card is ours to take.
  bool for_user_space() const;
  // The kernel keeps its interface and DPDK takes queues beside it.
  bool shared_driver() const;
  bool in_use() const;
  // "8086:10fb at 0000:03:00.0, driver vfio-pci"
  std::string describe() const;
  Result<void> usable() const;
};

}  // namespace salut
