// What the benches share: their flags, large pages for everybody, and the ratio to the others.
//
// A bench times the alternatives first and ours last, in the same process on the same data, and
// prints ours with x_<alternative> = its time / our time. Times are the best of the repetitions: a
// machine that is shared only ever adds. Sizes are small by default, so that a run takes seconds.
#pragma once

#include <benchmark/benchmark.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "stack/memory.hpp"

namespace salut::bench {

// Anonymous memory that asks for huge pages, as src/worker's does.
class PageMemory final : public Memory {
 public:
  void* allocate(std::size_t bytes, Use use) override {
    void* memory = mmap(nullptr, bytes + huge, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    madvise(memory, bytes + huge, MADV_HUGEPAGE);
    bytes_[static_cast<std::size_t>(use)] += bytes;
    return memory;
  }
  void release(void* memory, std::size_t bytes, Use use) noexcept override {
    munmap(memory, bytes + huge);
    bytes_[static_cast<std::size_t>(use)] -= bytes;
  }

 private:
  static constexpr std::size_t huge = 2 << 20;
};

// Time that this thread had a processor: what other programs took is not counted.
class Stopwatch {
 public:
  double ns() const { return now() - start_; }

 private:
  static double now() {
    timespec t = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
  }
  double start_ = now();
};

// The best time of each thing measured, in ns per item, by "what/who".
inline std::map<std::string, double>& results() {
  static std::map<std::string, double> all;
  return all;
}

// Notes `ns` per item of `who` at `what`, and for ours the ratio to everyone who came before.
inline void report(benchmark::State& state, const std::string& what, const std::string& who,
                   double ns, std::uint64_t checksum) {
  double& best = results().try_emplace(what + "/" + who, ns).first->second;
  best = std::min(best, ns);
  state.counters["ns"] = best;
  state.SetLabel("checksum " + std::to_string(checksum));
  if (who != "salut") return;
  for (const auto& [name, time] : results()) {
    if (name.starts_with(what + "/") && name != what + "/salut") {
      state.counters["x_" + name.substr(what.size() + 1)] = time / best;
    }
  }
}

// --name=value, taken out of argv so that Google Benchmark does not see it.
inline std::uint64_t flag(int& argc, char** argv, const std::string& name, std::uint64_t value) {
  const std::string prefix = "--" + name + "=";
  const auto end = std::remove_if(argv + 1, argv + argc, [&](const char* arg) {
    if (std::string(arg).rfind(prefix, 0) != 0) return false;
    value = std::strtoull(arg + prefix.size(), nullptr, 0);
    return true;
  });
  argc = static_cast<int>(end - argv);
  return value;
}

// glibc gives malloc huge pages only if the environment asked before the start.
inline void restart_with_huge_malloc(char** argv) {
  if (std::getenv("GLIBC_TUNABLES") != nullptr) return;
  setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1);
  execv("/proc/self/exe", argv);
}

// DPDK without devices or hugetlbfs; its heap gets transparent huge pages like everyone else's.
inline void start_dpdk(std::uint64_t megabytes) {
  const std::string m = std::to_string(megabytes);
  const std::string cores = "0@(0-" + std::to_string(sysconf(_SC_NPROCESSORS_ONLN) - 1) + ")";
  const std::string prefix = "--file-prefix=salut-bench-" + std::to_string(getpid());
  std::vector<std::string> words = {"bench",    "--no-huge",  "-m",
                                    m,          "--no-pci",   "--no-telemetry",
                                    "--lcores", cores,        "--log-level=error",
                                    prefix,     "--no-shconf"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
    std::fprintf(stderr, "bench: DPDK does not start: %s\n", rte_strerror(rte_errno));
    std::exit(1);
  }
  rte_memseg_contig_walk(
      [](const rte_memseg_list*, const rte_memseg* first, std::size_t bytes, void*) {
        madvise(first->addr, bytes, MADV_HUGEPAGE);
        return 0;
      },
      nullptr);
}

inline void say_where_data_lives(const char* what, double megabytes) {
  double cache = 0;
  for (const auto& level : benchmark::CPUInfo::Get().caches) cache = level.size / 1e6;
  const char* where = megabytes < cache / 2   ? "in cache"
                      : megabytes < cache * 4 ? "partly in cache"
                                              : "not in cache";
  std::printf("%s: %.0f MB of data, last-level cache %.0f MB: %s\n", what, megabytes, cache, where);
}

// One timed run per iteration of Google Benchmark's, set-up excluded.
inline benchmark::internal::Benchmark* add(const std::string& name,
                                           void (*run)(benchmark::State&)) {
  return benchmark::RegisterBenchmark(name.c_str(), run)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

}  // namespace salut::bench
