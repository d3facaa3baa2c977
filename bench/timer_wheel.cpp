// The timer wheel against rte_timer, Asio's steady_timer and a std::priority_queue.
//
//   start    every connection, in turn, arms a timer at a random point of the next minute
//   restart  every connection, in turn, pushes its timer later: an ACK came
//   expire   all of it fires; ours in turns of 1,024 entries, a tick at a time
//
// Each timer's owner is a line of 64 bytes that is read or written when it arms and when it fires,
// as a TCB is. Connections arm in the order of memory, so that what is measured is the timers and
// not the owner's cache miss, which a stack has had already when it arms; firing comes in the order
// of time, and ours has to prefetch. rte_timer and Asio know only the real clock: their deadlines
// are as spread, but in the next milliseconds, and expire is timed when all are due.
//
// --timers=N (100,000); --others=N (at most 1,000,000 unless given): how many for rte_timer and
// Asio, which take 2 microseconds and 300 bytes each at ten million.
#include "timer/wheel.hpp"

#include <rte_cycles.h>
#include <rte_timer.h>

#include <memory>
#include <queue>
#include <random>
#include <thread>

#include "bench.hpp"
#ifdef SALUT_BENCH_ASIO
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#endif

namespace salut::bench {
namespace {

using timer::Entry;
using timer::Tick;

constexpr std::uint32_t minute = 57'221;  // ticks
std::uint64_t timers = 100'000;
std::uint64_t others = 0;

struct alignas(64) Owner {
  std::uint32_t wheel_at;
  std::uint32_t deadline;
  std::uint32_t fired;
  std::uint8_t rest[52];
};

// Random ticks of the next minute, the same for all.
const std::vector<std::uint32_t>& delays() {
  static const std::vector<std::uint32_t> all = [] {
    std::mt19937_64 random(1);
    std::vector<std::uint32_t> values(timers);
    for (std::uint32_t& value : values) value = static_cast<std::uint32_t>(1 + random() % minute);
    return values;
  }();
  return all;
}

struct Salut {
  static constexpr const char* name = "salut";
  static std::uint64_t count() { return timers; }
  Salut()
      : owners(memory, timers, Use::tcb),
        wheel(memory, static_cast<std::uint32_t>(timers), Tick{0}) {}
  void start(std::uint32_t id, std::uint32_t after) {
    owners[id].deadline = (now + after).value;
    wheel.arm(id, owners[id].wheel_at, now + after);
  }
  void restart(std::uint32_t id, std::uint32_t after) { start(id, after); }
  void wait() {}
  std::uint64_t run() {
    std::uint64_t fired = 0;
    const auto fire = [&](std::span<const Entry> batch) {
      for (const Entry& e : batch) __builtin_prefetch(&owners[e.id], 1);
      for (const Entry& e : batch) {
        Owner& owner = owners[e.id];
        if (owner.wheel_at != e.deadline.value) continue;
        owner.wheel_at = 0;
        if (Tick{owner.deadline} <= now) {
          ++owner.fired;
          ++fired;
        } else {
          wheel.arm(e.id, owner.wheel_at, Tick{owner.deadline});
        }
      }
    };
    const auto live = [&](const Entry& e) { return owners[e.id].wheel_at == e.deadline.value; };
    for (; !wheel.idle(); now = now + 1) {
      while (wheel.advance(now, 1024, fire, live) == 1024) {
      }
    }
    return fired;
  }
  PageMemory memory;
  FixedArray<Owner> owners;
  timer::Wheel wheel;
  Tick now;
};

// With lazy deletion: an element whose deadline is not its owner's is skipped.
struct PriorityQueue {
  static constexpr const char* name = "priority_queue";
  static std::uint64_t count() { return timers; }
  using Item = std::pair<std::uint64_t, std::uint32_t>;
  PriorityQueue() : owners(memory, timers, Use::tcb) {}
  void start(std::uint32_t id, std::uint32_t after) {
    owners[id].deadline = static_cast<std::uint32_t>(now + after);
    queue.emplace(now + after, id);
  }
  void restart(std::uint32_t id, std::uint32_t after) { start(id, after); }
  void wait() {}
  std::uint64_t run() {
    std::uint64_t fired = 0;
    for (; !queue.empty(); queue.pop()) {
      now = queue.top().first;
      Owner& owner = owners[queue.top().second];
      if (owner.deadline != static_cast<std::uint32_t>(now)) continue;
      ++owner.fired;
      ++fired;
    }
    return fired;
  }
  PageMemory memory;
  FixedArray<Owner> owners;
  std::priority_queue<Item, std::vector<Item>, std::greater<>> queue;
  std::uint64_t now = 0;
};

struct RteTimer {
  static constexpr const char* name = "rte_timer";
  static std::uint64_t count() { return others; }
  RteTimer() : owners(others) {
    for (auto& owner : owners) rte_timer_init(&owner.timer);
  }
  ~RteTimer() {
    for (auto& owner : owners) rte_timer_stop(&owner.timer);
  }
  RteTimer(const RteTimer&) = delete;
  RteTimer& operator=(const RteTimer&) = delete;
  // A minute is far beyond the run, so that none fires before it shall.
  void start(std::uint32_t id, std::uint32_t after) {
    arm(id, std::uint64_t{after} * rte_get_timer_hz() / 1000);
  }
  void restart(std::uint32_t id, std::uint32_t after) { start(id, after); }
  // The same order again, a millionth of the time.
  void wait() {
    for (std::uint32_t id = 0; id < others; ++id) {
      arm(id, std::uint64_t{delays()[id]} * rte_get_timer_hz() / 1'000'000'000);
    }
    rte_delay_us_sleep(2'000);
  }
  std::uint64_t run() {
    const std::uint64_t before = fired;
    while (fired - before < others) rte_timer_manage();
    return fired - before;
  }
  struct alignas(64) Timed {
    rte_timer timer;
    std::uint32_t fired;
  };
  void arm(std::uint32_t id, std::uint64_t ticks) {
    rte_timer_reset(&owners[id].timer, ticks, SINGLE, rte_lcore_id(), fire, &owners[id]);
  }
  static void fire(rte_timer*, void* owner) {
    ++static_cast<Timed*>(owner)->fired;
    ++fired;
  }
  static inline std::uint64_t fired = 0;
  std::vector<Timed> owners;
};

#ifdef SALUT_BENCH_ASIO
struct Asio {
  static constexpr const char* name = "asio";
  static std::uint64_t count() { return others; }
  Asio() {
    timers_.reserve(others);
    for (std::uint64_t i = 0; i < others; ++i) timers_.emplace_back(io);
  }
  void start(std::uint32_t id, std::uint32_t after) { arm(id, std::chrono::milliseconds(after)); }
  // What was waiting is cancelled, and its handler runs: that is part of the price.
  void restart(std::uint32_t id, std::uint32_t after) {
    start(id, after);
    if (id % 64 == 63 || id + 1 == others) io.poll();
  }
  void wait() {
    for (std::uint32_t id = 0; id < others; ++id) arm(id, std::chrono::nanoseconds(delays()[id]));
    io.poll_one();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  std::uint64_t run() {
    const std::uint64_t before = fired;
    io.run();
    io.restart();
    return fired - before;
  }
  void arm(std::uint32_t id, std::chrono::nanoseconds after) {
    timers_[id].expires_after(after);
    timers_[id].async_wait(
        [this](const boost::system::error_code& error) { fired += error ? 0 : 1; });
  }
  std::uint64_t fired = 0;
  boost::asio::io_context io{1};
  std::vector<boost::asio::steady_timer> timers_;
};
#endif

enum class What { start, restart, expire };

// The contender lives through all rounds: but for the first, memory is warm and the best counts.
template <class T>
void run(benchmark::State& state, What what, const char* name) {
  double best = 1e18;
  std::uint64_t sum = 0;
  const auto count = static_cast<std::uint32_t>(T::count());
  const auto contender = std::make_unique<T>();
  const auto timed = [&](What part, auto&& work) {
    const Stopwatch watch;
    work();
    const double ns = watch.ns();
    if (part != what) return;
    state.SetIterationTime(ns / 1e9);
    best = std::min(best, ns / count);
  };
  for (auto _ : state) {
    timed(What::start, [&] {
      for (std::uint32_t id = 0; id < count; ++id) contender->start(id, delays()[id]);
    });
    if (what == What::restart) {
      timed(What::restart, [&] {
        for (std::uint32_t id = 0; id < count; ++id) contender->restart(id, delays()[id] + 200);
      });
    }
    contender->wait();
    timed(What::expire, [&] { sum += contender->run(); });
  }
  report(state, name, T::name, best, sum);
}

template <class T>
void start(benchmark::State& state) {
  run<T>(state, What::start, "start");
}
template <class T>
void restart(benchmark::State& state) {
  run<T>(state, What::restart, "restart");
}
template <class T>
void expire(benchmark::State& state) {
  run<T>(state, What::expire, "expire");
}

template <class... T>
void add_each(const std::string& what, const std::vector<void (*)(benchmark::State&)>& runs,
              unsigned iterations) {
  const std::vector<std::string> names = {T::name...};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    add(what + "/" + names[i], runs[i])->Iterations(iterations);
  }
}
template <class... T>
void add_all(unsigned iterations) {
  add_each<T...>("start", {start<T>...}, iterations);
  add_each<T...>("restart", {restart<T>...}, iterations);
  add_each<T...>("expire", {expire<T>...}, iterations);
}

}  // namespace
}  // namespace salut::bench

int main(int argc, char** argv) {
  using namespace salut::bench;
  restart_with_huge_malloc(argv);
  timers = flag(argc, argv, "timers", timers);
  others = flag(argc, argv, "others", std::min<std::uint64_t>(timers, 1'000'000));
  others = std::min(others, timers);
  start_dpdk(128);
  rte_timer_subsystem_init();
  benchmark::Initialize(&argc, argv);
  say_where_data_lives("owners and entries", static_cast<double>(timers) * (64 + 8) / 1e6);
  const unsigned iterations = timers > 2'000'000 ? 3 : 5;
#ifdef SALUT_BENCH_ASIO
  add_all<PriorityQueue, Asio, RteTimer, Salut>(iterations);
#else
  add_all<PriorityQueue, RteTimer, Salut>(iterations);
#endif
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
