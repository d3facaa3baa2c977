#include "host/cores.hpp"

#include <sched.h>

#include <cerrno>

namespace salut {

std::vector<std::uint32_t> allowed_cores() {
  std::vector<std::uint32_t> cores;
  // The kernel refuses a mask that is shorter than its own; grow until it fits.
  for (int cpus = CPU_SETSIZE; cpus <= CPU_SETSIZE * 64; cpus *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(cpus));
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
    const int rc = sched_getaffinity(0, bytes, set);
    const int why = errno;
    for (int cpu = 0; rc == 0 && cpu < cpus; ++cpu) {
      if (CPU_ISSET_S(static_cast<std::size_t>(cpu), bytes, set)) {
        cores.push_back(static_cast<std::uint32_t>(cpu));
      }
    }
    CPU_FREE(set);
    if (rc == 0 || why != EINVAL) break;
  }
  return cores;
}

void choose_cores(Config& config, const std::vector<std::uint32_t>& allowed) {
  if (!config.cores.empty() || allowed.empty()) return;
  for (std::uint32_t worker = 0; worker < config.workers; ++worker) {
    config.cores.push_back(allowed[worker % allowed.size()]);
  }
}

}  // namespace salut
