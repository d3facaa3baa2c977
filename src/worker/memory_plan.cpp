#include "worker/memory_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "host/huge_memory.hpp"
#include "io/dpdk/eal.hpp"
#include "io/dpdk/mempool.hpp"
#include "io/vdev.hpp"
#include "worker/stack_memory.hpp"

namespace salut {
namespace {

constexpr std::uint64_t mib = 1'048'576;

std::uint16_t largest_mtu(const Config& config) {
  std::uint16_t mtu = 0;
  for (const PortConfig& port : config.ports) mtu = std::max(mtu, port.mtu);
  return mtu;
}

// Vhost-user back ends map our memory and network cards write to it: then it must be DPDK's own.
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
  // What DPDK itself needs: its tables, the pool's caches (1.6 MB), the devices' rings.
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

// How much of a total of `all` bytes a key of `config` adds: what its least value would save.
Part part_of(const Config& config, std::uint64_t all, const char* name,
             std::uint32_t StackConfig::* key, std::uint32_t least) {
  Config without = config;
  without.stack.*key = std::min(least, config.stack.*key);
  const auto rest = stacks_memory(without);
  return {fmt::format("stack.{} = {}", name, config.stack.*key), rest ? all - rest->total() : 0};
}

// The keys that take at least a tenth, the largest first. Their least values are those in
// stack_config.hpp.
std::string blame_of(const Config& config, std::uint64_t stacks, std::uint64_t mbuf_bytes) {
  std::vector<Part> parts = {
      part_of(config, stacks, "connections", &StackConfig::connections, 16),
      part_of(config, stacks, "time_wait", &StackConfig::time_wait, 16),
      part_of(config, stacks, "buffer_blocks", &StackConfig::buffer_blocks, 16),
      {fmt::format("memory.mbufs = {}", config.mbufs), mbuf_bytes},
  };
  std::ranges::sort(parts, std::greater<>{}, &Part::bytes);
  std::string blame;
  for (const Part& part : parts) {
    if (part.bytes * 10 < stacks + mbuf_bytes) break;
    blame += fmt::format("{}{} ({} bytes)", blame.empty() ? "" : ", ", part.key, part.bytes);
  }
  return blame;
}

}  // namespace

Result<std::uint64_t> check_memory(const Config& config, std::uint64_t mbuf_bytes,
                                   std::uint64_t available) {
  const std::string file = config.file.empty() ? "" : config.file + ": ";
  const auto stacks = stacks_memory(config);
  if (!stacks) return fail(stacks.error().code, file + stacks.error().message);
  const std::uint64_t wanted = stacks->total() + mbuf_bytes;
  if (wanted <= available) return wanted;
  const std::string workers =
      config.workers == 1 ? "1 worker" : fmt::format("{} workers", config.workers);
  return fail(
      Errc::no_memory,
      fmt::format("{}{}: not enough memory: {} bytes wanted for {}, {} available; want "
                  "smaller values",
                  file, blame_of(config, stacks->total(), mbuf_bytes), wanted, workers, available));
}

}  // namespace salut
