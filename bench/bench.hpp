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
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "host/huge_memory.hpp"
#include "rows.hpp"
#include "tools.hpp"

namespace salut::bench {

// The best time of each thing measured, in ns per item, by "what/who".
inline std::map<std::string, double>& results() {
  static std::map<std::string, double> all;
  return all;
}

// Notes `ns` per item of `who` at `what`, and for ours the ratio to everyone who came before.
inline void report(benchmark::State& state, const std::string& what, const std::string& who,
                   double ns) {
  double& best = results().try_emplace(what + "/" + who, ns).first->second;
  best = std::min(best, ns);
  state.counters[what] = best;
  if (who != "salut") return;
  for (const auto& [name, time] : results()) {
    if (name.starts_with(what + "/") && name != what + "/salut" && best > 0) {
      state.counters[what + "_x_" + name.substr(what.size() + 1)] = time / best;
    }
  }
}

// A row of results(): ours next to the best of the others, the rest of them in the note.
inline void add_row(Rows& rows, const std::string& key, Row row) {
  const auto ours = results().find(key + "/salut");
  if (ours == results().end()) return;
  row.figure = ours->second;
  std::string others;
  for (const auto& [name, figure] : results()) {
    if (!name.starts_with(key + "/") || name == ours->first) continue;
    const std::string who = name.substr(key.size() + 1);
    if (!row.alternative_figure || figure < *row.alternative_figure) {
      row.alternative = who;
      row.alternative_figure = figure;
    }
    char text[64];
    std::snprintf(text, sizeof(text), " %.4g", figure);
    others += (others.empty() ? "" : ", ") + who + text;
  }
  if (!others.empty())
    row.note = others + " " + row.unit + (row.note.empty() ? "" : "; ") + row.note;
  rows.add(row);
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
  std::atexit([] {
    std::error_code ignored;
    std::filesystem::remove_all(rte_eal_get_runtime_dir(), ignored);
  });
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
