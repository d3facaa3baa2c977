// The control thread of a benchmark. It tells the workers when to open, measure, release and
// return, reports progress once a second, and keeps what they measured.
//
// A timed run opens for its whole duration and measures the middle of it. The first second (or
// tenth) is warm-up, and the last tenth of a second (or hundredth part) is left out, so that every
// connection that counts began and ended under a steady load. Runs of a fixed number (limit, hold)
// measure from the first open to the last close. A search (max) keeps the window of the best rate
// that held. Streams open all connections before any of them sends, so that the window has no
// handshake in it, nor the second that a lost SYN costs: it is the whole transfer, or the middle of
// a timed one.
//
// A timed run lasts its duration, the first connection included, and at most a bounded drain
// longer: connections that are still open then are reset and counted as unfinished. Runs of a fixed
// number end early when nothing moves any more. A signal cuts all of that short.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "load/bench_worker.hpp"
#include "load/max_search.hpp"
#include "load/progress.hpp"
#include "load/workers.hpp"

namespace salut::load {

struct BenchPlan {
  LoadMode mode = LoadMode::concurrency;
  double rate = 0;                          // opens per second of all clients together
  std::uint32_t concurrency = 0;            // of all clients together
  std::uint64_t limit = ~std::uint64_t{0};  // connections in all; hold: how many to hold
  std::chrono::duration<double> duration = std::chrono::seconds{10};
  std::chrono::duration<double> drain = std::chrono::seconds{5};      // at most, at the end
  std::chrono::duration<double> silence = std::chrono::seconds{180};  // the longest that one peer
                                                                      // may keep us waiting
  LoadOptions load;
  Targets listen;                      // what the servers listen on
  std::vector<std::uint32_t> clients;  // workers; one may be client and server
  std::vector<std::uint32_t> servers;

  bool limited() const { return limit != ~std::uint64_t{0}; }
  bool endless() const { return load.exchange.request == endless_request; }
};

// What all workers together measured in a window.
struct BenchWindow {
  struct Worker {
    Snapshot begin;
    Snapshot end;
    LoadWindow load;  // of clients
  };
  std::vector<Worker> workers;
  double seconds = 0;
  double cps = 0;
  std::uint64_t bytes = 0;  // streams only
  std::uint64_t ended = 0;  // connections that closed in the window, whenever they began
  LoadTotals totals;
};

class Controller {
 public:
  Controller(Workers& workers, const BenchPlan& plan, ProgressSink& live,
             const std::atomic<bool>& interrupted);

  // Returns when every worker has returned. An Error if a worker could not start.
  Result<void> run();

  const BenchWindow& window() const { return window_; }
  LoadTotals totals() const;
  const std::vector<std::unique_ptr<BenchWorker>>& workers() const { return workers_; }
  const std::vector<std::string>& notes() const { return notes_; }
  bool interrupted() const { return interrupted_; }
  double elapsed_s() const { return elapsed_.count(); }

 private:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;

  struct Moved;  // the totals whose change shows that a run makes progress

  void assign();
  Result<void> wait_until_running();
  void wait_until_primed();
  void timed_run();
  void limited_run();
  void hold_run();
  void note_opening();
  void max_run();
  void stream_run();
  bool try_rate(double rate);
  bool all_open() const;
  void drain();
  void reset_rest(std::uint64_t left);
  void finish();

  void give(Command command);  // returns when every worker has applied it
  void open(double rate = 0);
  void measure(bool on);
  BenchWindow collect() const;

  // All of these report progress meanwhile, and return early when the run is interrupted.
  void sleep_until(Clock::time_point until);
  // Waits until the condition holds. False: nothing has moved for `patience`.
  template <typename Condition>
  bool wait_while_moving(Condition condition, Seconds patience);
  template <typename Condition>
  bool wait_until(Condition condition, Clock::time_point until);
  void tick();
  void show();

  std::uint64_t sum(std::atomic<std::uint64_t> LoadProgress::* counter) const;
  bool all_primed() const;

  Workers& threads_;
  BenchPlan plan_;
  ProgressSink& live_;
  const std::atomic<bool>& interrupted_;
  CommandSlot slot_;
  Command command_;
  std::vector<std::unique_ptr<BenchWorker>> workers_;
  BenchWindow window_;
  std::vector<std::string> notes_;
  const char* activity_ = "";
  Clock::time_point began_;
  Clock::time_point shown_;
  bool clock_runs_ = true;  // false during preparations: the live line shows time 0
  Seconds elapsed_{0};
  std::uint64_t shown_closed_ = 0;
  std::uint64_t shown_bytes_ = 0;
};

}  // namespace salut::load
