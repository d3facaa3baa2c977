#include "host/machine.hpp"

#include <sys/utsname.h>

#include <algorithm>

#include "host/cores.hpp"
#include "host/sysfs.hpp"

namespace salut {

Machine this_machine() {
  Machine machine;
  machine.cpu = Sysfs{}.value_of("/proc/cpuinfo", "model name");
  if (machine.cpu.empty()) machine.cpu = "unknown";
  machine.cores = std::max(1u, static_cast<unsigned>(allowed_cores().size()));
  utsname kernel = {};
  if (uname(&kernel) == 0) machine.kernel = std::string(kernel.sysname) + " " + kernel.release;
  return machine;
}

}  // namespace salut
