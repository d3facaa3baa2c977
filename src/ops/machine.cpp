#include "ops/machine.hpp"

#include <sched.h>
#include <sys/utsname.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <string_view>

namespace salut::ops {

namespace {

// The rest of the first line that begins with `key`, without the spaces and the colon before it.
std::string value_of(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t begin = line.find_first_not_of(" \t:", key.size());
    return begin == std::string::npos ? std::string() : line.substr(begin);
  }
  return {};
}

std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// What the control group still allows (version 2); no limit if there is none.
std::uint64_t control_group_rest() {
  constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();
  const std::string line = first_line("/proc/self/cgroup");  // "0::/path"
  if (!line.starts_with("0::")) return unlimited;
  const std::string folder = "/sys/fs/cgroup" + line.substr(3);
  const auto limit = number(first_line(folder + "/memory.max"));
  const auto used = number(first_line(folder + "/memory.current"));
  if (!limit || !used) return unlimited;
  return *limit > *used ? *limit - *used : 0;
}

unsigned usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace

Machine this_machine() {
  Machine machine;
  machine.cpu = value_of("/proc/cpuinfo", "model name");
  if (machine.cpu.empty()) machine.cpu = "unknown";
  machine.cores = usable_cores();
  utsname kernel = {};
  if (uname(&kernel) == 0) machine.kernel = std::string(kernel.sysname) + " " + kernel.release;
  return machine;
}

std::uint64_t available_memory() {
  const auto kilobytes = number(value_of("/proc/meminfo", "MemAvailable"));
  const std::uint64_t kernel = kilobytes ? *kilobytes * 1024 : std::uint64_t{1} << 30;
  return std::min(kernel, control_group_rest());
}

}  // namespace salut::ops
