// The checks of the CPU, its clock, and the cores that the workers poll on.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "doctor/doctor_parts.hpp"

namespace salut::doctor {
namespace {

std::set<std::string> cpu_flags(const Sysfs& sysfs) {
  std::istringstream in(sysfs.value_of("/proc/cpuinfo", "flags"));
  std::set<std::string> flags;
  for (std::string flag; in >> flag;) flags.insert(std::move(flag));
  return flags;
}

#ifdef __AVX2__
constexpr bool built_for_avx2 = true;
#else
constexpr bool built_for_avx2 = false;
#endif

std::string cpu_path(std::uint32_t core, std::string_view rest) {
  return fmt::format("/sys/devices/system/cpu/cpu{}/{}", core, rest);
}

std::vector<std::uint32_t> distinct(std::vector<std::uint32_t> cores) {
  std::sort(cores.begin(), cores.end());
  cores.erase(std::unique(cores.begin(), cores.end()), cores.end());
  return cores;
}

// The cores of `cores` that are not in `among`.
std::vector<std::uint32_t> missing(const std::vector<std::uint32_t>& cores,
                                   const std::vector<std::uint32_t>& among) {
  std::vector<std::uint32_t> rest;
  for (const std::uint32_t core : cores) {
    if (std::find(among.begin(), among.end(), core) == among.end()) rest.push_back(core);
  }
  return rest;
}

void examine_sharing(Examination& e) {
  const std::vector<std::uint32_t>& cores = e.config.cores;
  std::string text;
  for (std::size_t worker = 0; worker < cores.size(); ++worker) {
    text += fmt::format("{}worker {} on core {}", text.empty() ? "" : ", ", worker, cores[worker]);
  }
  const std::vector<std::uint32_t> own = distinct(cores);
  if (own.size() < cores.size()) {
    const std::string want =
        e.allowed.size() >= cores.size()
            ? fmt::format("one of {} for each in workers.cores", list_of(e.allowed))
            : fmt::format("workers.count = {}, or a machine (a cpuset, taskset) with {} cores",
                          e.allowed.size(), cores.size());
    return e.yellow(
        "cores", fmt::format("{}: workers share a core, and each waits for the other", text), want);
  }
  for (const std::uint32_t core : own) {
    const std::vector<std::uint32_t> threads =
        e.sysfs.list(cpu_path(core, "topology/thread_siblings_list"));
    for (const std::uint32_t other : threads) {
      if (other <= core || std::find(own.begin(), own.end(), other) == own.end()) continue;
      return e.yellow("cores",
                      fmt::format("{}: {} and {} are threads of one core", text, core, other),
                      "other workers.cores; `lscpu -e` shows which belong together");
    }
  }
  e.green("cores", text);
}

// What to write on the kernel's command line for the polling cores. The kernel needs a core too: if
// the workers have all of them, the text says so.
std::string command_line(const Examination& e, const std::vector<std::uint32_t>& cores,
                         std::string_view format) {
  const auto online = e.sysfs.list("/sys/devices/system/cpu/online");
  const bool all = !online.empty() && missing(online, cores).empty();
  const std::string list = all ? "CORES" : list_of(cores);
  return fmt::format("{}the kernel's command line: {}",
                     all ? "a core that is nobody's worker, for the kernel; then " : "",
                     fmt::format(fmt::runtime(format), list));
}

// Other work on a polling core delays every connection of its worker.
void examine_quiet(Examination& e) {
  const std::vector<std::uint32_t> cores = distinct(e.config.cores);
  const auto isolated = e.sysfs.list("/sys/devices/system/cpu/isolated");
  if (const auto busy = missing(cores, isolated); !busy.empty()) {
    e.yellow("isolated cores",
             fmt::format("the kernel runs other threads on core {}, too", list_of(busy)),
             command_line(e, cores, "isolcpus=managed_irq,domain,{}"));
  } else {
    e.green("isolated cores", list_of(cores));
  }
  const auto tickless = e.sysfs.list("/sys/devices/system/cpu/nohz_full");
  if (const auto ticking = missing(cores, tickless); !ticking.empty()) {
    e.yellow("tick", fmt::format("the timer interrupts core {}", list_of(ticking)),
             command_line(e, cores, "nohz_full={0} rcu_nocbs={0}"));
  } else {
    e.green("tick", fmt::format("stopped on core {}", list_of(cores)));
  }
}

void examine_governor(Examination& e) {
  std::vector<std::uint32_t> slow;
  std::string name;
  bool any = false;
  for (const std::uint32_t core : distinct(e.config.cores)) {
    const std::string governor = e.sysfs.line(cpu_path(core, "cpufreq/scaling_governor"));
    any = any || !governor.empty();
    if (governor.empty() || governor == "performance") continue;
    slow.push_back(core);
    name = governor;
  }
  if (!slow.empty()) {
    return e.yellow("frequency", fmt::format("governor {} on core {}", name, list_of(slow)),
                    fmt::format("cpupower -c {} frequency-set -g performance", list_of(slow)));
  }
  e.green("frequency",
          any ? "governor performance" : "no governor here: firmware or a hypervisor decides");
}

}  // namespace

void examine_cpu(Examination& e) {
  const std::set<std::string> flags = cpu_flags(e.sysfs);
  const std::string model = e.sysfs.value_of("/proc/cpuinfo", "model name");
  const std::string name = model.empty() ? "unknown" : model;
  if (!flags.contains("sse4_2")) {
    return e.red("cpu", fmt::format("{}: no SSE4.2, which DPDK is built for", name),
                 "a CPU of 2009 or later; of a virtual machine: -cpu host");
  }
  if (built_for_avx2 && (!flags.contains("avx2") || !flags.contains("bmi2"))) {
    return e.red("cpu",
                 fmt::format("{}: no AVX2, and this program was built on a CPU that has it", name),
                 "meson setup --wipe build && ninja -C build, on this machine");
  }
  if (!built_for_avx2) {
    return e.yellow("cpu", fmt::format("{}: SSE4.2; this program was built without AVX2", name),
                    "a build on a CPU that has AVX2");
  }
  e.green("cpu", fmt::format("{}: SSE4.2, AVX2", name));
}

void examine_clock(Examination& e) {
  const std::set<std::string> flags = cpu_flags(e.sysfs);
  const std::string at = "/sys/devices/system/clocksource/clocksource0/";
  const std::string source = e.sysfs.line(at + "current_clocksource");
  const std::string text =
      fmt::format("{}{}, the kernel's source is {}",
                  flags.contains("constant_tsc") ? "constant TSC" : "the TSC's rate changes",
                  flags.contains("nonstop_tsc") ? "" : " that may stop in deep sleep",
                  source.empty() ? "unknown" : source);
  if (!flags.contains("constant_tsc") || !flags.contains("nonstop_tsc")) {
    return e.yellow("clock", text, "of a virtual machine: -cpu host,+invtsc; else idle=poll");
  }
  // kvm-clock and Hyper-V's page are scaled from the same TSC.
  constexpr std::string_view good[] = {"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "xen"};
  if (source.empty() || std::find(std::begin(good), std::end(good), source) != std::end(good)) {
    return e.green("clock", text);
  }
  e.yellow("clock", text + ", not the TSC: the kernel found it wanting",
           fmt::format("echo tsc > {}current_clocksource; dmesg | grep -i tsc says why", at));
}

void examine_cores(Examination& e) {
  examine_sharing(e);
  examine_quiet(e);
  examine_governor(e);
}

}  // namespace salut::doctor
