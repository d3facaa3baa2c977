// While it lives, a panic of DPDK (rte_panic: one line, a list of frames, abort) is one line of
// ours and exit status 2: at start it means that the machine lacks something, and nothing runs yet
// that a core file would explain.
//
// Threads: control thread, while DPDK starts or makes a device.
#pragma once

#include <csignal>
#include <string>

namespace salut::io {

class PanicGuard {
 public:
  // Called on the thread that panics: why it does, or nothing if the panic is not DPDK's.
  using Why = std::string (*)();

  explicit PanicGuard(Why why);
  ~PanicGuard();
  PanicGuard(const PanicGuard&) = delete;

 private:
  struct sigaction before_ = {};
};

}  // namespace salut::io
