#include "worker/memory_plan.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "host/huge_memory.hpp"
#include "io/dpdk/eal.hpp"
#include "io/dpdk/mempool.hpp"
#include "io/vdev.hpp"

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

namespace {

struct Part {
  std::string key;
  std::uint64_t bytes;
};

std::vector<Part> parts_of(const Config& config, std::uint64_t mbuf_bytes) {
  // Upper bounds of what one of each takes in the core, its share of table and timers included.
  constexpr std::uint64_t connection_bytes = 192;
  constexpr std::uint64_t time_wait_bytes = 64;
  constexpr std::uint64_t block_bytes = 2'064;
  const std::uint64_t workers = config.workers;
  return {
      {fmt::format("stack.connections = {}", config.stack.connections),
       workers * config.stack.connections * connection_bytes},
      {fmt::format("stack.time_wait = {}", config.stack.time_wait),
       workers * config.stack.time_wait * time_wait_bytes},
      {fmt::format("stack.buffer_blocks = {}", config.stack.buffer_blocks),
       workers * config.stack.buffer_blocks * block_bytes},
      {fmt::format("memory.mbufs = {}", config.mbufs), mbuf_bytes},
  };
}

}  // namespace

std::uint64_t memory_wanted(const Config& config, std::uint64_t mbuf_bytes) {
  std::uint64_t wanted = 0;
  for (const Part& part : parts_of(config, mbuf_bytes)) wanted += part.bytes;
  return wanted;
}

Result<void> check_memory(const Config& config, std::uint64_t mbuf_bytes, std::uint64_t available) {
  const std::uint64_t wanted = memory_wanted(config, mbuf_bytes);
  if (wanted <= available) return {};

  const std::uint64_t workers = config.workers;
  std::vector<Part> parts = parts_of(config, mbuf_bytes);
  std::sort(parts.begin(), parts.end(),
            [](const Part& a, const Part& b) { return a.bytes > b.bytes; });
  std::string blame;
  for (const Part& part : parts) {
    if (part.bytes * 10 < wanted) break;  // a key that takes less than a tenth is not the cause
    blame += fmt::format("{}{} ({} bytes)", blame.empty() ? "" : ", ", part.key, part.bytes);
  }
  const std::string file = config.file.empty() ? "" : config.file + ": ";
  return fail(
      Errc::no_memory,
      fmt::format("{}{}: not enough memory: {} bytes wanted for {}, {} available; want "
                  "smaller values",
                  file, blame, wanted,
                  workers == 1 ? "1 worker" : fmt::format("{} workers", workers), available));
}

}  // namespace salut
