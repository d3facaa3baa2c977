#include "worker/memory_plan.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "io/dpdk/eal.hpp"
#include "io/dpdk/mempool.hpp"
#include "io/dpdk/vdev.hpp"

namespace salut {
namespace {

constexpr std::uint64_t mib = 1'048'576;

std::uint16_t largest_mtu(const Config& config) {
  std::uint16_t mtu = 0;
  for (const PortConfig& port : config.ports) mtu = std::max(mtu, port.mtu);
  return mtu;
}

// Vhost-user back ends map our memory, network cards write to it: it must be DPDK's own.
bool shares_memory(const Config& config) {
  return std::any_of(config.ports.begin(), config.ports.end(), [](const PortConfig& port) {
    const auto shares = [](const std::string& words) {
      return io::Vdev::parse(words).shares_memory();
    };
    return port.type == PortType::pci || (port.type == PortType::vdev && shares(port.vdev)) ||
           std::ranges::any_of(port.members, shares);
  });
}

}  // namespace

Result<MemoryPlan> plan_memory(Config& config, const std::string& root) {
  MemoryPlan plan;
  const std::uint64_t mbufs = std::uint64_t{config.mbufs} * config.workers;
  plan.mtu = largest_mtu(config);
  plan.mbuf_bytes = io::MbufPool::bytes_for(mbufs, plan.mtu);
  plan.shared = shares_memory(config);
  // DPDK's own needs: its tables, the pool's caches (1.6 MB), the devices' rings.
  const std::uint64_t base = 24 * mib + config.ports.size() * 2 * mib + mbufs * 32;
  const auto megabytes = [&](bool with_pool) {
    return (base + (with_pool ? plan.mbuf_bytes * 17 / 16 : 0)) / mib + 1;
  };
  plan.huge_mb = config.megabytes != 0 ? config.megabytes : megabytes(true);
  plan.free_mb = io::free_hugepages_mb(root);
  plan.hugepages = config.hugepages != "off" && plan.free_mb >= plan.huge_mb;
  if (config.hugepages == "on" && !plan.hugepages) {
    return fail(Errc::no_memory,
                fmt::format("memory.hugepages = \"on\": {} MB of memory.megabytes wanted in pages "
                            "of 2 MB, {} MB free; want echo {} > /proc/sys/vm/nr_hugepages",
                            plan.huge_mb, plan.free_mb, (plan.huge_mb + 1) / 2));
  }
  config.hugepages = plan.hugepages ? "on" : "off";
  if (config.megabytes == 0) {
    config.megabytes =
        static_cast<std::uint32_t>(plan.hugepages ? plan.huge_mb : megabytes(plan.shared));
  }
  return plan;
}

}  // namespace salut
