#include "worker/worker.hpp"

#include <sched.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

#include "host/tsc.hpp"
#include "worker/engines.hpp"

namespace salut {
namespace {

constexpr std::uint64_t publish_per_second = 100;
constexpr Duration rest_most = std::chrono::milliseconds{1};  // the longest sleep of poll()
constexpr Duration timer_slack = std::chrono::microseconds{1};
// Sleeps from here on show the figures of before to others.
constexpr Duration sleep_published = std::chrono::milliseconds{1};
constexpr std::uint64_t idle_turns_polite = 1'024;  // some 50 µs in which nothing happened

// The stack whose application runs on this thread.
thread_local const Stack::Impl* here = nullptr;

}  // namespace

Stack::Impl::Impl(const StackConfig& config, std::vector<ip::Interface> interfaces,
                  std::vector<const io::SteeredPort*> steered, FramePool& pool,
                  const WorkerOptions& options, const std::atomic<bool>& stop)
    : options_(options),
      clock_(options.tsc_hz, options.origin),
      memory_(options.prefault),
      engine_(config, std::move(interfaces), pool, memory_, options.seed,
              static_cast<std::uint8_t>(options.worker), clock_.at(read_tsc())),
      steered_(std::move(steered)),
      stop_(stop),
      now_(clock_.at(read_tsc())) {
  memory_use_ = memory_.in_use();
  memory_use_.mbufs += options.mbuf_bytes;
  engine_.repeat_events(true);
  if (options.isn_key) engine_.take_isn_key(*options.isn_key);
  engines[options.worker] = &engine_;
  for (const io::Interrupt* interrupt : options_.interrupts) waiter_.watch(interrupt->fd());
}

Stack::Impl::~Impl() { engines[options_.worker] = nullptr; }

std::span<const Event> Stack::Impl::poll(Stack& self) {
  const std::span<const Event> events = turn(self);
  if (!busy_) rest();
  return events;
}

std::span<const Event> Stack::Impl::poll(Stack& self, Duration max_wait) {
  std::span<const Event> events = turn(self);
  const Instant until = now_ + std::min(max_wait, Instant::max() - now_);
  while (events.empty() && !posted_ && !has_news() && now_ < until) {
    if (!busy_) sleep(std::min(until - now_, options_.sleep_most));
    events = turn(self);
  }
  told_stopping_ = seen_stopping_;
  told_draining_ = seen_draining_;
  return events;
}

// Has a stop or drain come of which no poll(max_wait) has told the application? It asks stopping(),
// finds nothing, and calls poll(): one that comes between the two is seen by the first turn, and
// must not be slept over.
bool Stack::Impl::has_news() const {
  return seen_stopping_ != told_stopping_ || seen_draining_ != told_draining_;
}

std::span<const Event> Stack::Impl::turn(Stack& self) {
  assert_here();
  const std::uint64_t tsc = read_tsc();
  std::uint64_t moved = 0;  // for other workers
  end_turn(tsc);
  now_ = clock_.at(tsc);
  seen_stopping_ = stopping();
  seen_draining_ = draining();
  if (seen_draining_) [[unlikely]]
    begin_end();
  posted_ = posts_.any();
  if (posted_) [[unlikely]]
    run_posts(self);
  const std::span<const Event> events = engine_.poll(now_);
  busy_ = engine_.last_poll_busy() || posted_;
  for (const io::SteeredPort* port : steered_) moved += port->moved();
  busy_ |= std::exchange(moved_, moved) != moved;
  idle_turns_ = busy_ ? 0 : idle_turns_ + 1;
  if (busy_) nap_ = nap_least;
  return events;
}

// Their calls count from now and not from the last turn, which may be long ago.
void Stack::Impl::run_posts(Stack& self) {
  engine_.set_now(now_);
  posts_.run(self);
}

void Stack::Impl::end_turn(std::uint64_t tsc) {
  if (turn_start_ != 0) {
    const std::uint64_t cycles = tsc - turn_start_;
    ++loop_.turns;
    loop_.total_cycles += cycles;
    loop_.busy_turns += busy_ ? 1 : 0;
    loop_.busy_cycles += busy_ ? cycles : 0;
    loop_.longest_turn_cycles = std::max(loop_.longest_turn_cycles, cycles - slept_);
    loop_.slept_cycles += slept_;
  }
  slept_ = 0;
  turn_start_ = tsc;
  if (tsc >= publish_at_) [[unlikely]]
    publish(tsc);
}

// A Stack is one thread's: two at once would corrupt what both use.
void Stack::Impl::assert_here() const {
  assert(is_here(options_.worker) && "call on the Stack's own thread");
}

// drain() and finish(), from any thread.
void Stack::Impl::begin_end() {
  engine_.drain();
  if (finish_.load(std::memory_order_relaxed) == no_finish) return;
  engine_.finish(Duration{finish_.exchange(no_finish, std::memory_order_relaxed)});
}

// Both sides write one variable and then read the other: run() writes task_ and reads running_,
// leave() writes running_ and reads task_. Only if all four are sequentially consistent does one of
// the two see what the other wrote. Else each could leave the task to the other, and run() would
// sleep for ever.
void Stack::Impl::run_task() {
  const auto* task = task_.load(std::memory_order_seq_cst);
  if (task == nullptr || !task_.compare_exchange_strong(task, nullptr)) return;
  (*task)();
  tasks_done_.fetch_add(1, std::memory_order_release);
  tasks_done_.notify_one();
}

void Stack::Impl::run(const std::function<void()>& task) {
  const std::uint32_t done = tasks_done_.load(std::memory_order_relaxed);
  task_.store(&task, std::memory_order_seq_cst);
  wake();
  // The lcore runs the task; if the lcore has left or has not started, this thread does.
  if (!running_.load(std::memory_order_seq_cst)) run_task();
  tasks_done_.wait(done, std::memory_order_acquire);
}

void Stack::Impl::run_announcements() {
  std::uint32_t interfaces = announce_.exchange(0, std::memory_order_relaxed);
  for (; interfaces != 0; interfaces &= interfaces - 1) {
    engine_.announce(static_cast<unsigned>(std::countr_zero(interfaces)));
  }
}

void Stack::Impl::publish(std::uint64_t tsc) {
  run_task();
  if (announce_.load(std::memory_order_relaxed) != 0) run_announcements();
  snapshot_.write({counted(), loop_});
  publish_at_ = tsc + options_.tsc_hz / publish_per_second;
}

// Two workers on one core make progress only if the idle one yields. A stack that was idle for long
// yields too: if other processes want its core and must wait until the scheduler preempts us, each
// packet of theirs is milliseconds late (measured with testpmd between two stacks on two cores: 15
// s against 5 s). If nobody wants the core, a yield costs 0.1 µs.
void Stack::Impl::rest() {
  if (options_.idle == Idle::sleep) return sleep(rest_most);
  const bool polite =
      options_.idle == Idle::yield || options_.shares_core || idle_turns_ > idle_turns_polite;
  if (polite) {
    sched_yield();
  } else {
    pause_core();
  }
}

// Does a frame end a sleep on every port? Not any more where a device has gone.
bool Stack::Impl::has_interrupts() const {
  const auto broken = [](const io::Interrupt* interrupt) { return interrupt->broken(); };
  return !options_.interrupts.empty() && !waiter_.lost() &&
         std::none_of(options_.interrupts.begin(), options_.interrupts.end(), broken);
}

// At most `most`, and until the next timer. With interrupts a frame ends it; without them it is a
// nap, as it is where a device must be asked again to take what it had no room for.
void Stack::Impl::sleep(Duration most) {
  if (!slack_) slack_ = io::set_timer_slack(timer_slack);
  if (!has_interrupts() || engine_.has_unsent()) {
    most = std::min(most, nap_);
    nap_ = std::min(2 * nap_, nap_most);
  }
  const std::uint64_t from = read_tsc();
  if (most >= sleep_published) publish(from);
  if (const auto timer = engine_.next_timer()) most = std::min(most, *timer - clock_.at(from));
  if (most <= Duration{0}) return;
  asleep_.store(true);
  if (!is_called() && arm()) waiter_.wait(most);
  asleep_.store(false);
  for (io::Interrupt* interrupt : options_.interrupts) interrupt->disarm();
  slept_ += read_tsc() - from;
}

// Whoever calls writes first and looks at `asleep_` then; here it is the other way round, so that
// one of the two sees the other.
bool Stack::Impl::is_called() {
  if (task_.load() != nullptr) publish_at_ = 0;  // run in the next turn
  return publish_at_ == 0 || posts_.any_yet() || stop_.load() != seen_stopping_ ||
         drain_.load() != seen_draining_ || finish_.load() != no_finish;
}

bool Stack::Impl::arm() {
  bool armed = true;
  for (io::Interrupt* interrupt : options_.interrupts) armed &= interrupt->arm();
  return armed;
}

void Stack::Impl::prepare() {
  publish(read_tsc());
  running_.store(true, std::memory_order_release);
}

void Stack::Impl::enter() {
  here = this;
  now_ = clock_.at(read_tsc());  // calls before the first poll() count from here
  engine_.set_now(now_);
#ifndef NDEBUG
  owners[options_.worker] = std::this_thread::get_id();
#endif
}

void Stack::Impl::leave() {
  here = nullptr;
  if (slack_) io::set_timer_slack(*std::exchange(slack_, std::nullopt));
#ifndef NDEBUG
  owners[options_.worker] = std::thread::id{};
#endif
  publish(read_tsc());
  running_.store(false, std::memory_order_seq_cst);
  run_task();  // one that came after publish()
}

bool Stack::Impl::readable_here() const {
  return here == this || !running_.load(std::memory_order_acquire);
}

Counters Stack::Impl::counters() const {
  return readable_here() ? counted() : snapshot_.read().counters;
}

// The engine's counters, and those of frames that steering redirected or dropped before it.
Counters Stack::Impl::counted() const {
  Counters counters = engine_.counters();
  for (const io::SteeredPort* port : steered_) port->add_to(counters);
  return counters;
}

LoopStats Stack::Impl::loop_stats() const {
  return readable_here() ? loop_ : snapshot_.read().loop;
}

}  // namespace salut
