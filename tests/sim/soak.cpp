#include "soak.hpp"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

#include "seed_run.hpp"

namespace salut::sim {
namespace {

constexpr unsigned processes_max = 64;
constexpr unsigned failures_max = 4;  // per process, then it stops

// Shared by all processes.
struct Board {
  std::atomic<std::uint64_t> next;
  struct Worker {
    std::uint64_t seed;  // in hand
    std::uint64_t seeds, frames, ends, bytes, virtual_ms, attack_frames;
    oracle::Edges edges;
    unsigned failures;
    char what[failures_max][256];
  } workers[processes_max];
};

std::string replay_of(std::uint64_t seed) {
  return "replay: SALUT_SEED=" + std::to_string(seed) + " build/tests/sim/sim_world";
}

void work(Board& board, Board::Worker& mine, std::uint64_t last) {
  // An engine's arrays come out of the heap that the last seed left, not out of fresh pages.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  while (mine.failures < failures_max) {
    const std::uint64_t seed = board.next++;
    if (seed > last) return;
    mine.seed = seed;
    const Outcome outcome = run_seed(seed, false);
    mine.seed = 0;
    ++mine.seeds;
    mine.frames += outcome.frames;
    mine.ends += outcome.ends;
    mine.bytes += outcome.bytes;
    mine.virtual_ms += outcome.virtual_ms;
    mine.attack_frames += outcome.attack_frames;
    mine.edges |= outcome.edges;
    if (outcome.error.empty()) continue;
    std::snprintf(mine.what[mine.failures++], sizeof(mine.what[0]), "seed %lu: %s; %s", seed,
                  outcome.error.c_str(), replay_of(seed).c_str());
  }
}

unsigned process_count(std::uint64_t seeds) {
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  return static_cast<unsigned>(std::min<std::uint64_t>({cores, processes_max, seeds}));
}

void report_progress(const Board& board, unsigned processes, double seconds) {
  std::uint64_t seeds = 0;
  for (unsigned i = 0; i < processes; ++i) seeds += board.workers[i].seeds;
  std::fprintf(stderr, "%lu seeds, %.0f per second\n", seeds, static_cast<double>(seeds) / seconds);
}

}  // namespace

SoakResult soak(std::uint64_t first, std::uint64_t last, unsigned progress) {
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [begin] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  void* memory =
      mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  SoakResult result;
  if (memory == MAP_FAILED) {
    result.failures.push_back("no shared memory");
    return result;
  }
  auto& board = *new (memory) Board{};
  board.next = first;
  const unsigned processes = process_count(last - first + 1);
  std::vector<pid_t> children;
  std::fflush(nullptr);
  for (unsigned i = 0; i < processes; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      work(board, board.workers[i], last);
      _exit(0);
    }
    children.push_back(child);
  }
  double said = 0;
  for (unsigned running = processes; running > 0;) {
    int status = 0;
    const pid_t child = waitpid(-1, &status, progress != 0 ? WNOHANG : 0);
    if (child > 0) {
      --running;
      const auto at = std::find(children.begin(), children.end(), child) - children.begin();
      const std::uint64_t seed = board.workers[at].seed;
      if (status != 0) {
        result.failures.push_back("seed " + std::to_string(seed) + ": the process died; " +
                                  replay_of(seed));
      }
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds{100});
      if (elapsed() - said < progress) continue;
      said = elapsed();
      report_progress(board, processes, said);
    }
  }
  for (unsigned i = 0; i < processes; ++i) {
    const Board::Worker& worker = board.workers[i];
    result.seeds += worker.seeds, result.frames += worker.frames, result.ends += worker.ends;
    result.bytes += worker.bytes, result.virtual_ms += worker.virtual_ms;
    result.attack_frames += worker.attack_frames;
    result.edges |= worker.edges;
    for (unsigned n = 0; n < worker.failures; ++n) result.failures.push_back(worker.what[n]);
  }
  result.seconds = elapsed();
  munmap(memory, sizeof(Board));
  return result;
}

}  // namespace salut::sim
