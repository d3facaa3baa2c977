// DPDK's environment (EAL): cores, memory and devices of this process. It can start only once in a
// process, even after it has ended.
//
// It does not probe PCI unless an address was configured. It leaves no hugepage file behind: all
// memory is anonymous or a memfd, so that kill -9 frees it too. Its messages go into a buffer,
// which is shown when something fails.
//
// lcore 0 is the control thread, on all allowed cores; lcore w + 1 is worker w, on its own core.
// Cores may coincide: one core runs everything.
//
// Threads: start() and the destructor on the control thread. No rte_* header is needed here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "salut/error.hpp"

namespace salut::io {

struct EalOptions {
  std::string name;                    // of the instance; the file prefix
  std::vector<std::uint32_t> cores;    // the core of each worker
  std::vector<std::uint32_t> allowed;  // the cores of the control thread
  std::vector<std::string> pci;        // addresses to probe; no other device is probed
  std::string runtime_directory;       // telemetry listens in its "dpdk"; empty: no telemetry
  std::uint32_t megabytes = 64;
  bool hugepages = false;
  bool shared = false;  // a vhost-user back end maps this memory: one descriptor per region
};

class Eal {
 public:
  // Has nobody tried to start it in this process?
  static Result<void> may_start();
  static Result<std::unique_ptr<Eal>> start(const EalOptions& options);
  ~Eal();
  Eal(const Eal&) = delete;

  // Runs `function(argument)` on worker's lcore; false if it is busy.
  bool launch(std::uint32_t worker, int (*function)(void*), void* argument);
  bool running(std::uint32_t worker) const;
  void wait(std::uint32_t worker);

 private:
  Eal() = default;
};

// Cycles of the TSC per second, from CPUID or measured; valid once Eal::start() has returned.
std::uint64_t tsc_hz();

// Adds a line to the buffer in which DPDK's log is kept.

void append_to_log(std::string_view text);

// The last line that DPDK logged since take_log(), without its prefix. It skips lines that only say
// that something failed.
std::string last_error_line();
// Everything that DPDK logged since the last call, at most the first 64 KiB.
std::string take_log();

// The reason that DPDK gave when it panicked; empty if it did not panic.
std::string panic_line();

// Free 2 MiB hugepages of the kernel's default pool, in MiB; 0 if it has none. `root`: where /sys
// is.
std::uint64_t free_hugepages_mb(const std::string& root = {});

}  // namespace salut::io
