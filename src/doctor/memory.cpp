// The checks of memory: how much the configuration takes, and from which pages.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "doctor/doctor_parts.hpp"
#include "host/huge_memory.hpp"

namespace salut::doctor {
namespace {

constexpr const char* pages = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

// Shows the free hugepages of each NUMA node: the card's own node may have none.
void examine_nodes(Examination& e, const MemoryPlan& plan) {
  std::string text;
  for (const std::string& node : e.sysfs.names("/sys/devices/system/node")) {
    const auto free = e.sysfs.number(
        fmt::format("/sys/devices/system/node/{}/hugepages/hugepages-2048kB/free_hugepages", node));
    if (free) text += fmt::format("{}{} {} MB", text.empty() ? "" : ", ", node, *free * 2);
  }
  const bool many = text.find(',') != std::string::npos;
  e.green("hugepages", fmt::format("{} MB of 2 MB pages wanted, {} MB free{}", plan.huge_mb,
                                   plan.free_mb, many ? " (" + text + ")" : ""));
}

}  // namespace

void examine_hugepages(Examination& e, const MemoryPlan& plan) {
  const auto there =
      static_cast<std::uint64_t>(std::max<std::int64_t>(e.sysfs.number(pages).value_or(0), 0));
  if (e.config.ports.empty()) {
    if (plan.free_mb != 0) return e.green("hugepages", fmt::format("{} MB free", plan.free_mb));
    return e.yellow("hugepages", "none free: ordinary pages are used, which are somewhat slower",
                    fmt::format("echo {} > /proc/sys/vm/nr_hugepages", there + 512));
  }
  if (plan.hugepages) return examine_nodes(e, plan);
  if (e.config.hugepages == "off") {
    return e.green("hugepages", "memory.hugepages = \"off\": ordinary pages are used");
  }
  const std::uint64_t more = (plan.huge_mb - std::min(plan.huge_mb, plan.free_mb) + 1) / 2;
  e.yellow("hugepages",
           fmt::format("{} MB of 2 MB pages wanted, {} MB free: ordinary pages are used, which are "
                       "somewhat slower",
                       plan.huge_mb, plan.free_mb),
           fmt::format("echo {} > /proc/sys/vm/nr_hugepages", there + more));
}

void examine_memory(Examination& e, const MemoryPlan& plan) {
  const std::uint64_t mbufs = plan.hugepages ? 0 : plan.mbuf_bytes;
  const std::uint64_t available = available_memory(e.sysfs);
  const auto wanted = check_memory(e.config, mbufs, available);
  e.judge("memory", wanted,
          fmt::format("at most {} for {} connections and {} in TIME_WAIT a worker, {} available",
                      bytes_text(wanted.value_or(0)), with_commas(e.config.stack.connections),
                      with_commas(e.config.stack.time_wait), bytes_text(available)));
}

}  // namespace salut::doctor
