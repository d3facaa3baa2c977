// The mailbox between two workers: boost::lockfree::spsc_queue against rte_ring (one producer, one
// consumer), with frames of 24 bytes in bursts of 32, as src/io/steered_port.hpp passes them.
//
//   alone    one thread puts a burst in and takes it out: the instructions, without a second core
//   across   a producer thread on another core; the time per frame that the consumer sees
//
// --frames=N (500,000), --slots=N (1,024; a power of two), --rows=FILE. With fewer than two idle
// cores the figures of "across" say more about the scheduler than about the queues.
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <atomic>
#include <boost/lockfree/spsc_queue.hpp>
#include <chrono>
#include <memory>
#include <thread>

#include "bench.hpp"
#include "salut/frame.hpp"

namespace salut::bench {
namespace {

constexpr unsigned burst = 32;
std::uint64_t frames = 500'000;
unsigned slots = 1024;
std::uint64_t passed = 0;  // of every frame's length, by all, in all rounds

struct RteRing {
  static constexpr const char* name = "rte_ring";
  RteRing()
      : ring(rte_ring_create_elem("mailbox", sizeof(Frame), slots, SOCKET_ID_ANY,
                                  RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ)) {
    if (ring == nullptr) {
      std::fprintf(stderr, "rte_ring: %s\n", rte_strerror(rte_errno));
      std::exit(1);
    }
  }
  ~RteRing() { rte_ring_free(ring); }
  RteRing(const RteRing&) = delete;
  RteRing& operator=(const RteRing&) = delete;
  unsigned push(const Frame* from, unsigned n) {
    return rte_ring_sp_enqueue_burst_elem(ring, from, sizeof(Frame), n, nullptr);
  }
  unsigned pop(Frame* to, unsigned n) {
    return rte_ring_sc_dequeue_burst_elem(ring, to, sizeof(Frame), n, nullptr);
  }
  rte_ring* ring;
};

struct Spsc {
  static constexpr const char* name = "salut";  // what it uses
  unsigned push(const Frame* from, unsigned n) {
    return static_cast<unsigned>(queue.push(from, n));
  }
  unsigned pop(Frame* to, unsigned n) { return static_cast<unsigned>(queue.pop(to, n)); }
  boost::lockfree::spsc_queue<Frame> queue{slots};
};

Frame frame_of(std::uint64_t i) {
  return Frame{.data = nullptr, .handle = nullptr, .length = static_cast<std::uint16_t>(i)};
}

// Puts `frames` frames in; full is back-pressure.
template <class Q>
void produce(Q& queue) {
  Frame out[burst];
  for (std::uint64_t sent = 0; sent < frames;) {
    for (unsigned i = 0; i < burst; ++i) out[i] = frame_of(sent + i);
    for (unsigned done = 0; done < burst;) {
      const unsigned n = queue.push(out + done, burst - done);
      if (n == 0) std::this_thread::yield();
      done += n;
    }
    sent += burst;
  }
}

template <class Q>
void alone(benchmark::State& state) {
  const auto queue = std::make_unique<Q>();
  double best = 1e18;
  std::uint64_t sum = 0;
  for (auto _ : state) {
    const Stopwatch watch;
    Frame out[burst], in[burst];
    for (std::uint64_t i = 0; i < frames; i += burst) {
      for (unsigned k = 0; k < burst; ++k) out[k] = frame_of(i + k);
      queue->push(out, burst);
      const unsigned n = queue->pop(in, burst);
      for (unsigned k = 0; k < n; ++k) sum += in[k].length;
    }
    const double ns = watch.ns();
    state.SetIterationTime(ns / 1e9);
    best = std::min(best, ns / static_cast<double>(frames));
  }
  report(state, "alone", Q::name, best);
  passed += sum;
}

// Both sides give way when they cannot go on, so that it ends on one core too.
template <class Q>
void across(benchmark::State& state) {
  double best = 1e18;
  std::uint64_t sum = 0;
  for (auto _ : state) {
    const auto queue = std::make_unique<Q>();
    std::thread producer([&] { produce(*queue); });
    const auto begin = std::chrono::steady_clock::now();
    Frame in[burst];
    for (std::uint64_t received = 0; received < frames;) {
      const unsigned n = queue->pop(in, burst);
      if (n == 0) std::this_thread::yield();
      for (unsigned i = 0; i < n; ++i) sum += in[i].length;
      received += n;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    producer.join();
    state.SetIterationTime(took.count());
    best = std::min(best, took.count() * 1e9 / static_cast<double>(frames));
  }
  report(state, "across", Q::name, best);
  passed += sum;
}

}  // namespace
}  // namespace salut::bench

int main(int argc, char** argv) {
  using namespace salut::bench;
  Rows rows(text_flag(argc, argv, "rows"));
  frames = flag(argc, argv, "frames", frames) / burst * burst;
  slots = static_cast<unsigned>(flag(argc, argv, "slots", slots));
  start_dpdk(64);
  benchmark::Initialize(&argc, argv);
  say_where_data_lives("slots", slots * sizeof(salut::Frame) / 1e6);
  add("alone/rte_ring", alone<RteRing>)->Iterations(5);
  add("alone/salut", alone<Spsc>)->Iterations(5);
  add("across/rte_ring", across<RteRing>)->Iterations(5);
  add("across/salut", across<Spsc>)->Iterations(5);
  benchmark::RunSpecifiedBenchmarks();
  add_row(
      rows, "alone",
      {.what = "a frame in and out, one thread, bursts of 32", .note = "the instructions alone"});
  add_row(rows, "across", {.what = "a frame from core to core, bursts of 32"});
  rows.check("passed", passed);
  return rows.write() ? 0 : 1;
}
