// The timer wheel against rte_timer, Asio's steady_timer and a std::priority_queue.
//
//   start    every connection, in turn, arms a timer at a random point of the next minute
//   expire   all of it fires; ours in turns of 1,024 entries, a tick at a time
//   restart  every connection, in turn, pushes its timer later: an ACK came
//   cancel   every connection, in turn, no longer wants it
//   drain    what restart and cancel left behind: ours and the heap delete when the time comes
//   pause    the longest turn of 1,024 while a million timers expire in one tick
//
// Each timer's owner is a line of 64 bytes that is read or written when it arms and when it fires,
// as a TCB is. Connections arm in the order of memory, so that what is measured is the timers and
// not the owner's cache miss, which a stack has had already when it arms; firing comes in the order
// of time, and ours has to prefetch. rte_timer and Asio know only the real clock: their deadlines
// are as spread, but in the next milliseconds, and expire is timed when all are due.
//
// --timers=N (100,000); --others=N (at most 1,000,000 unless given): how many for rte_timer and
// Asio, which take 2 microseconds and 300 bytes each at ten million. --rows=FILE is for the report.
#include "timer/wheel.hpp"

#include <rte_cycles.h>
#include <rte_timer.h>

#include <memory>
#include <numeric>
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

constexpr std::uint32_t minute = 57'221;  // ticks
constexpr std::uint32_t cancelled = 0xffff'ffff;
constexpr unsigned budget = 1024;  // entries per turn
constexpr std::uint64_t at_once = 1'000'000;
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
  static constexpr bool lazy = true;  // what is cancelled is taken out later
  static std::uint64_t count() { return timers; }
  Salut()
      : owners(memory, timers, Use::tcb),
        wheel(memory, static_cast<std::uint32_t>(timers), Tick{0}) {}
  void start(std::uint32_t id, std::uint32_t after) {
    owners[id].deadline = (now + after).value;
    wheel.arm(id, owners[id].wheel_at, now + after);
  }
  void restart(std::uint32_t id, std::uint32_t after) { start(id, after); }
  // As tcp::clear_timer(): the entry stays, fires early, and its owner wants nothing.
  void cancel(std::uint32_t id) { owners[id].deadline = cancelled; }
  void wait() {}
  std::uint64_t run() {
    return run([](auto&& turn) { turn(); });
  }
  // each(turn) has to call turn().
  template <class Each>
  std::uint64_t run(Each&& each) {
    std::uint64_t fired = 0;
    const auto fire = [&](std::span<const Entry> batch) {
      timer::visit(
          batch, [&](const Entry& e) { __builtin_prefetch(&owners[e.id], 1); },
          [&](const Entry& e) {
            Owner& owner = owners[e.id];
            if (owner.wheel_at != e.deadline.value) return;
            owner.wheel_at = 0;
            if (owner.deadline == cancelled) return;
            if (Tick{owner.deadline} <= now) {
              ++owner.fired;
              ++fired;
            } else {
              wheel.arm(e.id, owner.wheel_at, Tick{owner.deadline});
            }
          });
    };
    const auto live = [&](const Entry& e) { return owners[e.id].wheel_at == e.deadline.value; };
    for (; !wheel.idle(); now = now + 1) {
      for (unsigned used = budget; used == budget;) {
        each([&] { used = wheel.advance(now, budget, fire, live); });
      }
    }
    return fired;
  }
  HugeMemory memory;
  FixedArray<Owner> owners;
  timer::Wheel wheel;
  Tick now;
};

// With lazy deletion: an element whose deadline is not its owner's is skipped.
struct PriorityQueue {
  static constexpr const char* name = "binary heap";
  static constexpr bool lazy = true;  // what is cancelled is taken out later
  static std::uint64_t count() { return timers; }
  using Item = std::pair<std::uint64_t, std::uint32_t>;
  PriorityQueue() : owners(memory, timers, Use::tcb) {}
  void start(std::uint32_t id, std::uint32_t after) {
    owners[id].deadline = static_cast<std::uint32_t>(now + after);
    queue.emplace(now + after, id);
  }
  void restart(std::uint32_t id, std::uint32_t after) { start(id, after); }
  void cancel(std::uint32_t id) { owners[id].deadline = cancelled; }
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
  HugeMemory memory;
  FixedArray<Owner> owners;
  std::priority_queue<Item, std::vector<Item>, std::greater<>> queue;
  std::uint64_t now = 0;
};

struct RteTimer {
  static constexpr const char* name = "rte_timer";
  static constexpr bool lazy = false;  // what is cancelled is taken out later
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
  void cancel(std::uint32_t id) { rte_timer_stop(&owners[id].timer); }
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
  static constexpr const char* name = "Asio";
  static constexpr bool lazy = false;  // what is cancelled is taken out later
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
  void cancel(std::uint32_t id) {
    timers_[id].cancel();
    if (id % 64 == 63 || id + 1 == others) io.poll();
    if (id + 1 == others) io.restart();  // without work it has stopped
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

// Nanoseconds per timer.
template <class F>
double timed(double& total_ns, std::uint64_t count, F&& work) {
  const Stopwatch watch;
  work();
  total_ns += watch.ns();
  return watch.ns() / static_cast<double>(count);
}

// The contender lives through all rounds: but for the first, memory is warm and the best counts.
template <class T>
void life(benchmark::State& state) {
  std::uint64_t fired = 0;
  const auto count = static_cast<std::uint32_t>(T::count());
  const auto contender = std::make_unique<T>();
  for (auto _ : state) {
    double total = 0;
    const auto phase = [&](const char* name, auto&& work) {
      report(state, name, T::name, timed(total, count, work));
    };
    const auto each = [&](auto&& what) {
      for (std::uint32_t id = 0; id < count; ++id) what(id);
    };
    const auto start = [&] { each([&](std::uint32_t id) { contender->start(id, delays()[id]); }); };
    phase("start", start);
    contender->wait();
    phase("expire", [&] { fired += contender->run(); });

    start();
    phase("restart",
          [&] { each([&](std::uint32_t id) { contender->restart(id, delays()[id] + 200); }); });
    contender->wait();
    phase("drain_restarted", [&] { fired += contender->run(); });

    start();
    phase("cancel", [&] { each([&](std::uint32_t id) { contender->cancel(id); }); });
    if constexpr (T::lazy) {
      phase("drain_cancelled", [&] { fired += contender->run(); });
    }
    state.SetIterationTime(total / 1e9);
  }
  if (fired != 2 * state.iterations() * std::uint64_t{count})
    state.SkipWithError("timers are lost");
}

// A million in one tick. The heap has no bound but the whole of it.
std::uint64_t fired_at_once = 0;
void pause(benchmark::State& state) {
  const auto many = static_cast<std::uint32_t>(std::min(at_once, timers));
  Steps ours, heap;
  Salut wheel;
  PriorityQueue queue;
  std::vector<std::uint32_t> ids(many);  // who met at this tick is nobody's neighbour in memory
  std::iota(ids.begin(), ids.end(), 0);
  std::shuffle(ids.begin(), ids.end(), std::mt19937_64(2));
  for (auto _ : state) {
    const Stopwatch watch;
    for (const std::uint32_t id : ids) {
      wheel.start(id, 1000);
      queue.start(id, 1000);
    }
    ours.new_round();
    fired_at_once = wheel.run([&](auto&& turn) { ours.time(turn); });
    heap.new_round();
    heap.time([&] { queue.run(); });
    state.SetIterationTime(watch.ns() / 1e9);
    if (fired_at_once != many) return state.SkipWithError("timers are lost");
  }
  report(state, "pause_us", "binary heap", heap.worst_ns() / 1e3);
  report(state, "pause_us", "salut", ours.worst_ns() / 1e3);
}

template <class T>
void add_life(unsigned iterations) {
  add(std::string("life/") + T::name, life<T>)->Iterations(iterations);
}

void add_rows(Rows& rows) {
  const std::string of = ", " + in_words(timers) + " pending";
  const std::string fewer =
      timers == others ? "" : "rte_timer and Asio with " + in_words(others) + " only";
  add_row(rows, "start", {.what = "start" + of, .target = 10, .note = fewer});
  add_row(rows, "cancel", {.what = "cancel" + of, .target = 5, .note = fewer});
  add_row(rows, "restart", {.what = "restart" + of, .target = 5, .note = fewer});
  add_row(rows, "expire", {.what = "expire" + of, .target = 20, .note = fewer});
  add_row(rows, "drain_cancelled",
          {.what = "what a cancelled one costs when its time comes" + of,
           .note = "rte_timer and Asio take it out at once"});
  add_row(rows, "drain_restarted",
          {.what = "expire, restarted once before" + of, .note = "ours fires twice; " + fewer});
  add_row(rows, "pause_us",
          {.what = "longest turn of the loop while " + in_words(std::min(at_once, timers)) +
                   " expire in one tick, budget " + std::to_string(budget),
           .unit = "us",
           .target = 1000,
           .note = "none is lost; the heap has no bounded turn"});
#ifndef SALUT_BENCH_ASIO
  rows.note("Boost.Asio: not installed (libboost-dev)");
#endif
  rows.check("timers", timers);
  rows.check("at_once", fired_at_once);
}

}  // namespace
}  // namespace salut::bench

int main(int argc, char** argv) {
  using namespace salut::bench;
  restart_with_huge_malloc(argv);
  Rows rows(text_flag(argc, argv, "rows"));
  timers = flag(argc, argv, "timers", timers);
  others = flag(argc, argv, "others", std::min<std::uint64_t>(timers, 1'000'000));
  others = std::min(others, timers);
  start_dpdk(128);
  rte_timer_subsystem_init();
  benchmark::Initialize(&argc, argv);
  say_where_data_lives("owners and entries", static_cast<double>(timers) * (64 + 8) / 1e6);
  const unsigned iterations = 3;
  add_life<PriorityQueue>(iterations);
#ifdef SALUT_BENCH_ASIO
  add_life<Asio>(iterations);
#endif
  add_life<RteTimer>(iterations);
  add_life<Salut>(iterations);
  add("pause", pause)->Iterations(4);
  benchmark::RunSpecifiedBenchmarks();
  add_rows(rows);
  return rows.write() ? 0 : 1;
}
