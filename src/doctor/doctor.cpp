#include "doctor/doctor.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "doctor/doctor_parts.hpp"
#include "host/cores.hpp"
#include "host/instance_lock.hpp"
#include "host/run_directory.hpp"
#include "worker/memory_plan.hpp"

namespace salut::doctor {
namespace {

constexpr std::string_view words[] = {"green", "yellow", "red"};
constexpr std::string_view colours[] = {"\x1b[32m", "\x1b[33m", "\x1b[31m"};
constexpr std::string_view plain = "\x1b[0m";

void examine_instance(Examination& e) {
  e.judge("name", InstanceLock::ask(e.config.name, e.sysfs),
          fmt::format("\"{}\" is free", e.config.name));
  // dpdk_parent() reads the environment, which a test's `root` does not replace.
  if (!e.sysfs.root().empty() || !dpdk_parent().empty()) return;
  e.yellow("telemetry", "no directory for DPDK's telemetry socket: it runs without",
           "export XDG_RUNTIME_DIR=/run/user/$(id -u), or RuntimeDirectory= in the unit");
}

// Plans the memory. `plan` is the plan or the error of a start; the result has numbers for the
// other checks in any case.
MemoryPlan planned(const Config& config, const Sysfs& sysfs, Result<MemoryPlan>& plan) {
  Config copy = config;
  plan = plan_memory(copy, sysfs.root());
  if (plan) return *plan;
  copy.hugepages = "auto";
  return plan_memory(copy, sysfs.root()).value_or(MemoryPlan{});
}

}  // namespace

std::vector<Finding> examine(Config config, const Sysfs& sysfs,
                             const std::vector<std::uint32_t>& allowed) {
  choose_cores(config, allowed);
  std::vector<Finding> findings;
  Examination e{config, sysfs, allowed, findings};
  Result<MemoryPlan> plan;
  const MemoryPlan numbers = planned(config, sysfs, plan);
  const bool machine_alone = config.ports.empty();

  examine_cpu(e);
  examine_clock(e);
  if (!machine_alone) examine_cores(e);
  if (plan) {
    examine_hugepages(e, numbers);
  } else {
    findings.push_back(refusal("hugepages", plan.error()));
  }
  if (!machine_alone) examine_memory(e, numbers);
  examine_iommu(e);
  if (machine_alone) return findings;
  examine_instance(e);
  for (const PortConfig& port : config.ports) examine_port(e, port, numbers);
  return findings;
}

Finding refusal(std::string check, const Error& error) {
  constexpr std::string_view separator = "; want ";
  const std::size_t at = error.message.rfind(separator);
  if (at == std::string::npos) {
    return {Health::red, std::move(check), error.message, "as the line says"};
  }
  return {Health::red, std::move(check), error.message.substr(0, at),
          error.message.substr(at + separator.size())};
}

bool can_start(const std::vector<Finding>& findings) {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& one) { return one.health == Health::red; });
}

std::string of_port(const PortConfig& port, std::string_view check) {
  return fmt::format("port {}, {}", port.name, check);
}

std::string to_lines(const std::vector<Finding>& findings, bool colour) {
  std::size_t width = 0;
  for (const Finding& one : findings) width = std::max(width, one.check.size());
  std::string text;
  for (const Finding& one : findings) {
    const auto health = static_cast<std::size_t>(one.health);
    const std::string mend = one.mend.empty() ? "" : fmt::format("; mend: {}", one.mend);
    text += fmt::format("{}{:<6}{}  {:<{}}  {}{}\n", colour ? colours[health] : "", words[health],
                        colour ? plain : "", one.check, width, one.found, mend);
  }
  return text;
}

}  // namespace salut::doctor
