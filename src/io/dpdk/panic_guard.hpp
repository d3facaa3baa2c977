// While it lives, a panic of DPDK (rte_panic: a line, a backtrace, abort) becomes one line of ours
// and exit status 2. At start a panic means that the machine lacks something, so that a core file
// would explain nothing.
//
// Threads: control thread, while DPDK starts or makes a device.
#pragma once

#include <csignal>
#include <string>

namespace salut::io {

class PanicGuard {
 public:
  // Called on the thread that panics. Returns the reason, or nothing if the panic is not DPDK's.
  using Why = std::string (*)();

  explicit PanicGuard(Why why);
  ~PanicGuard();
  PanicGuard(const PanicGuard&) = delete;

 private:
  struct sigaction before_ = {};
};

}  // namespace salut::io
