// The inside of a Stack: an engine, its clock, and statistics of how its cycles were spent.
//
// A turn lasts from one entry into poll() to the next, so that it includes the application's share.
// It is busy if the engine had a frame, a timer or an event. The TSC is read once per turn: as the
// end of one turn, the start of the next and the engine's `now`.
//
// Threads: poll() and all that it calls on the worker's lcore. counters() and loop_stats() on any
// thread: exact on the lcore and while it does not run; elsewhere at most 10 ms old, or as old as
// the present turn if that is longer.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "host/clock.hpp"
#include "host/huge_memory.hpp"
#include "io/interrupt.hpp"
#include "io/steered_port.hpp"
#include "io/waiter.hpp"
#include "salut/config.hpp"
#include "salut/stack.hpp"
#include "stack/engine.hpp"
#include "worker/posts.hpp"
#include "worker/seqlock.hpp"

namespace salut {

struct WorkerOptions {
  std::uint32_t worker = 0;
  std::uint64_t seed = 0;
  std::uint64_t tsc_hz = 0;
  std::uint64_t origin = 0;            // TSC that is Instant 0
  std::optional<tcp::IsnKey> isn_key;  // of all workers of the instance; the seed's if none
  std::uint64_t mbuf_bytes = 0;        // its share of the packet buffers, for memory_use()
  Prefault prefault;                   // which memory to touch at start, as in Config
  bool shares_core = false;            // with another worker: an idle turn yields the core
  Idle idle = Idle::spin;
  // Longer nobody sleeps in one piece who calls poll(max_wait), which sleeps again: a driver whose
  // interrupt does not come costs so much. Tests of what ends a sleep have none that ends by
  // itself.
  Duration sleep_most = std::chrono::milliseconds{10};
  // Of all its ports; empty: one of them has none, and sleeps are short.
  std::vector<io::Interrupt*> interrupts = {};
};

class Stack::Impl {
 public:
  // Throws std::bad_alloc. `steered`: this worker's part of each port that it shares. `stop` and
  // the ports must outlive this.
  Impl(const StackConfig& config, std::vector<ip::Interface> interfaces,
       std::vector<const io::SteeredPort*> steered, FramePool& pool, const WorkerOptions& options,
       const std::atomic<bool>& stop);
  ~Impl();
  Impl(const Impl&) = delete;

  std::span<const Event> poll(Stack& self);
  std::span<const Event> poll(Stack& self, Duration max_wait);

  // From any thread.
  Errc post(std::function<void(Stack&)> function) {
    const Errc posted = posts_.post(std::move(function));
    if (posted == Errc::ok) wake();
    return posted;
  }
  // From any thread, and in a signal handler: ends the sleep after what it is to see was written.
  void wake() const noexcept {
    if (asleep_.load()) waiter_.wake();
  }
  // The application has returned: no function of its own runs any more.
  void end_posts() { posts_.close(); }

  // prepare() on the control thread, before the lcore starts. enter() before and leave() after the
  // application, on the lcore.
  void prepare();
  void enter();
  // In debug builds: REQUIRES this to be the lcore, or that it does not run.
  void assert_here() const;
  void leave();

  // On any thread: the links of these interfaces, a bit each, came up. Within 10 ms the lcore
  // announces our addresses there.
  void announce(std::uint32_t interfaces) {
    announce_.fetch_or(interfaces, std::memory_order_relaxed);
  }

  // On the control thread: runs `task` on the lcore within 10 ms, or here if the lcore does not
  // run. Returns when it is done.
  void run(const std::function<void()>& task);

  Counters counters() const;
  LoopStats loop_stats() const;
  const MemoryUse& memory_use() const { return memory_use_; }

  stack::Engine& engine() { return engine_; }
  const stack::Engine& engine() const { return engine_; }
  Instant now() const { return now_; }
  std::uint32_t worker() const { return options_.worker; }
  void drain() {
    drain_.store(true);
    wake();
  }
  void finish(Duration limit) {
    finish_.store(limit.count());
    drain_.store(true);
    wake();
  }
  bool draining() const { return drain_.load(std::memory_order_relaxed); }
  bool shares_port() const { return !steered_.empty(); }
  bool stopping() const { return stop_.load(std::memory_order_relaxed); }

 private:
  // Where no interrupt ends a sleep it is short, and twice as long each time.
  static constexpr Duration nap_least = std::chrono::microseconds{1};
  static constexpr Duration nap_most = std::chrono::microseconds{100};
  static constexpr std::int64_t no_finish = -1;

  struct Snapshot {
    Counters counters;
    LoopStats loop;
  };

  std::span<const Event> turn(Stack& self);
  void run_posts(Stack& self);
  Counters counted() const;
  void end_turn(std::uint64_t tsc);
  void publish(std::uint64_t tsc);
  void run_task();
  void begin_end();
  void run_announcements();
  bool readable_here() const;  // may this thread read the counters directly?
  void rest();
  bool has_interrupts() const;
  void sleep(Duration most);
  bool has_news() const;
  bool is_called();
  bool arm();

  WorkerOptions options_;
  Clock clock_;
  HugeMemory memory_;
  stack::Engine engine_;
  std::vector<const io::SteeredPort*> steered_;
  const std::atomic<bool>& stop_;
  MemoryUse memory_use_;

  Instant now_;
  LoopStats loop_;
  std::uint64_t turn_start_ = 0;   // TSC; 0 before the first turn
  std::uint64_t publish_at_ = 0;   // TSC
  std::uint64_t moved_ = 0;        // frames moved to and for other workers so far
  std::uint64_t idle_turns_ = 0;   // in a row
  std::uint64_t slept_ = 0;        // TSC cycles of this turn
  Duration nap_ = nap_least;       // how long the next sleep without interrupts is
  std::optional<Duration> slack_;  // the thread's timer slack before its first sleep
  bool busy_ = false;
  bool posted_ = false;         // the last turn ran functions
  bool seen_stopping_ = false;  // as of the last turn
  bool seen_draining_ = false;
  bool told_stopping_ = false;  // as of the last poll(max_wait) that returned
  bool told_draining_ = false;

  Posts posts_;
  std::atomic<bool> drain_{false};
  std::atomic<std::int64_t> finish_{no_finish};  // a limit that the lcore has not seen
  std::atomic<std::uint32_t> announce_{0};
  io::Waiter waiter_;
  std::atomic<bool> asleep_{false};  // or about to be: in one order with what wake() is called for
  std::atomic<bool> running_{false};
  std::atomic<const std::function<void()>*> task_{nullptr};  // of run()
  std::atomic<std::uint32_t> tasks_done_{0};
  Seqlock<Snapshot> snapshot_;
};

}  // namespace salut
