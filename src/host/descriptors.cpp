#include "host/descriptors.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vector>

namespace salut {
namespace {

// Counted in runs (/proc/self/fd): 17 for DPDK, the lock and the control socket, up to five for
// each queue of a device. The rest is for descriptors that are open for a moment.
constexpr unsigned base_descriptors = 32;
constexpr unsigned per_queue = 8;

unsigned wanted(const Config& config) {
  unsigned count = base_descriptors + config.workers;
  for (const PortConfig& port : config.ports) {
    if (port.type == PortType::loop || port.type == PortType::mirror) continue;
    count += per_queue *
             static_cast<unsigned>(port.workers.empty() ? config.workers : port.workers.size());
  }
  return count;
}

// Opens that many and closes them. This needs no /proc and counts inherited ones, too.
bool has_room(unsigned count) {
  std::vector<int> open;
  open.reserve(count);
  const int first = eventfd(0, EFD_CLOEXEC);
  for (int fd = first; fd >= 0 && open.size() < count; fd = fcntl(first, F_DUPFD_CLOEXEC, 0)) {
    open.push_back(fd);
  }
  const bool enough = open.size() == count;
  for (const int fd : open) close(fd);
  return enough;
}

}  // namespace

Result<void> check_descriptors(const Config& config) {
  const unsigned count = wanted(config);
  if (has_room(count)) return {};
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t had = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && has_room(count)) return {};
  return fail(Errc::unsupported,
              fmt::format("open files = {}: too few for this configuration; want {} that are free "
                          "(ulimit -n, LimitNOFILE=)",
                          had, count));
}

void occupy_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest free number, so this one. A place without /dev has a root.
    if (open("/dev/null", O_RDONLY) < 0 && open("/", O_RDONLY) < 0) return;
  }
}

}  // namespace salut
