#include "load/controller.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <thread>
#include <utility>

namespace salut::load {

namespace {

constexpr auto slice = std::chrono::milliseconds{5};
constexpr double patience_s = 10;  // a drain in which nothing changes for so long has ended
constexpr double settle_s = 0.3;   // of a rate, before its window
constexpr double window_s = 1.2;
constexpr double held_share = 0.98;  // of the opens due must have been whole lives

}  // namespace

Controller::Controller(Runtime& runtime, const BenchPlan& plan, report::ProgressLine& live,
                       const std::atomic<bool>& interrupted)
    : runtime_(runtime), plan_(plan), live_(live), interrupted_(interrupted) {
  assign();
}

// Every worker's role, and its share of the whole.
void Controller::assign() {
  const auto share = [this](std::uint64_t whole, std::size_t nth) {
    const std::uint64_t n = plan_.clients.size();
    return whole / n + (nth < whole % n ? 1 : 0);
  };
  for (std::uint32_t worker = 0; worker < runtime_.workers(); ++worker) {
    WorkerRole role;
    role.mode = plan_.mode;
    role.load = plan_.load;
    role.load.hold = plan_.mode == LoadMode::hold;
    role.listen = plan_.listen;
    role.server = std::ranges::count(plan_.servers, worker) != 0;
    const auto client = std::ranges::find(plan_.clients, worker);
    role.client = client != plan_.clients.end();
    if (role.client) {
      const auto nth = static_cast<std::size_t>(client - plan_.clients.begin());
      // One after the other: all of them together are as even as one would be.
      role.load.phase = static_cast<double>(nth) / static_cast<double>(plan_.clients.size());
      // Each begins elsewhere, so that they do not all go to one server at a time.
      role.load.first_target = plan_.load.target.size() / plan_.clients.size() * nth;
      role.concurrency = static_cast<std::uint32_t>(share(plan_.concurrency, nth));
      if (plan_.limited()) role.load.limit = share(plan_.limit, nth);
      // To the connection: the order to stop comes some milliseconds late.
      if (plan_.mode == LoadMode::rate && !plan_.limited()) {
        const double opens = plan_.rate * plan_.duration.count();
        role.load.limit = share(static_cast<std::uint64_t>(std::llround(opens)), nth);
      }
    }
    workers_.push_back(std::make_unique<BenchWorker>(orders_, role));
  }
}

Result<void> Controller::run() {
  runtime_.start([this](Stack& stack) { workers_[stack.worker()]->run(stack); });
  Result<void> running = wait_until_running();
  began_ = shown_ = Clock::now();
  if (running) {
    switch (plan_.mode) {
      case LoadMode::hold:
        hold_run();
        break;
      case LoadMode::max:
        max_run();
        break;
      case LoadMode::stream:
        stream_run();
        break;
      default:
        plan_.limited() ? limited_run() : timed_run();
        break;
    }
    drain();
  }
  finish();
  return running;
}

Result<void> Controller::wait_until_running() {
  while (true) {
    bool all = true;
    for (const auto& worker : workers_) {
      if (worker->status() == BenchWorker::Status::failed) {
        return tl::unexpected<Error>(worker->error());
      }
      all = all && worker->status() == BenchWorker::Status::running;
    }
    if (all) return {};
    if (runtime_.finished()) return fail(Errc::no_memory, "a worker ended before it began");
    std::this_thread::sleep_for(slice);
  }
}

// ---- the kinds of run

void Controller::timed_run() {
  const double duration = plan_.duration.count();
  const Seconds warm_up{std::min(1.0, duration / 10)};
  const Seconds tail{std::min(0.1, duration / 100)};
  open(plan_.rate);
  wait_for([this] { return all_primed(); }, Seconds{patience_s});
  began_ = shown_ = Clock::now();
  const auto at = [this](Seconds offset) {
    return began_ + std::chrono::duration_cast<Clock::duration>(offset);
  };
  activity_ = "warming up";
  if (sleep_until(at(warm_up))) {
    activity_ = "";
    measure(true);
    sleep_until(at(plan_.duration - tail));
    measure(false);
    window_ = collect();
    sleep_until(at(plan_.duration));
  }
}

void Controller::limited_run() {
  measure(true);
  open(plan_.rate);
  const auto all_ended = [this] {
    return sum(&LoadProgress::attempted) >= plan_.limit && sum(&LoadProgress::in_flight) == 0;
  };
  while (!all_ended() && !interrupted_) tick();
  measure(false);
  window_ = collect();
}

void Controller::hold_run() {
  measure(true);
  activity_ = "opening";
  open();
  const auto all_open = [this] {
    return sum(&LoadProgress::established) + sum(&LoadProgress::failed) >= plan_.limit;
  };
  while (!all_open() && !interrupted_) tick();
  activity_ = "holding";
  sleep_until(Clock::now() + std::chrono::duration_cast<Clock::duration>(plan_.duration));
  activity_ = "closing";
  order_.phase = Command::Phase::release;
  give(order_);
  drain();
  measure(false);
  window_ = collect();
  note_opening();
}

// How long opening took, by the clients' own clocks: ours looks every 5 ms.
void Controller::note_opening() {
  std::uint64_t opened = 0;
  double seconds = 0;
  for (const auto& part : window_.workers) {
    if (part.load.last_open <= part.load.begin) continue;
    opened += part.load.totals.established;
    seconds = std::max(seconds,
                       static_cast<double>(part.load.last_open - part.load.begin) / plan_.load.hz);
  }
  if (seconds <= 0) return;
  notes_.push_back(fmt::format("opened {} in {:.6f} s, {:.0f} per second", opened, seconds,
                               static_cast<double>(opened) / seconds));
}

void Controller::stream_run() {
  activity_ = "opening";
  open();
  const auto all_open = [this] {
    return sum(&LoadProgress::established) + sum(&LoadProgress::failed) >= plan_.limit;
  };
  while (!all_open() && !interrupted_) tick();
  activity_ = "";
  began_ = shown_ = Clock::now();
  order_.phase = Command::Phase::release;
  const Seconds warm_up{plan_.endless() ? std::min(1.0, plan_.duration.count() / 10) : 0};
  if (plan_.endless()) give(order_);
  sleep_until(began_ + std::chrono::duration_cast<Clock::duration>(warm_up));
  measure(true);  // gives the order to send too
  if (plan_.endless()) {
    sleep_until(began_ + std::chrono::duration_cast<Clock::duration>(plan_.duration));
  } else {
    while (sum(&LoadProgress::in_flight) != 0 && !interrupted_) tick();
  }
  measure(false);
  window_ = collect();
}

void Controller::max_run() {
  MaxSearch search;
  std::string failed;
  const auto until = began_ + std::chrono::duration_cast<Clock::duration>(plan_.duration);
  while (!search.done() && !interrupted_ && Clock::now() < until) {
    const double rate = search.rate();
    const bool held = try_rate(rate);
    if (interrupted_) break;
    if (!held) failed += fmt::format("{}{:.0f}", failed.empty() ? "" : ", ", rate);
    search.result(held);
  }
  notes_.push_back(search.best() > 0
                       ? fmt::format("{:.0f} per second held without a failure", search.best())
                       : "no rate held without a failure");
  if (!failed.empty()) notes_.push_back("did not hold: " + failed);
  if (!search.done()) notes_.push_back("the search ran out of time; give it more with --duration");
}

// One window at one rate. It becomes the result if it held and is the best so far.
bool Controller::try_rate(double rate) {
  const std::string activity = fmt::format("trying {:.0f}", rate);
  activity_ = activity.c_str();
  const std::uint64_t failed = sum(&LoadProgress::failed);
  const auto now = Clock::now();
  const auto at = [now](double offset) {
    return now + std::chrono::duration_cast<Clock::duration>(Seconds{offset});
  };
  open(rate);
  bool whole = sleep_until(at(settle_s));
  measure(true);
  whole = whole && sleep_until(at(settle_s + window_s));
  measure(false);
  BenchWindow window = collect();
  order_.phase = Command::Phase::wait;
  give(order_);
  drain();
  activity_ = "";
  const bool held = whole && sum(&LoadProgress::failed) == failed &&
                    window.cps >= rate * held_share && window.totals.all_failures() == 0;
  if (held && window.cps > window_.cps) window_ = std::move(window);
  return held;
}

void Controller::drain() {
  if (order_.phase == Command::Phase::open || plan_.mode == LoadMode::stream) {
    order_.phase = Command::Phase::wait;
    give(order_);
  }
  std::uint64_t left = sum(&LoadProgress::in_flight);
  while (left != 0) {
    const std::uint64_t before = left;
    const auto fewer = [&] { return (left = sum(&LoadProgress::in_flight)) < before; };
    if (!wait_for(fewer, Seconds{patience_s})) break;
  }
  if (left == 0 || plan_.mode == LoadMode::max) return;
  order_.phase = Command::Phase::abort;
  give(order_);
  wait_for([this] { return sum(&LoadProgress::in_flight) == 0; }, Seconds{1});
}

void Controller::finish() {
  elapsed_ = Clock::now() - began_;
  // The last ACKs are on their way: let the servers see them, so that the states at the end are
  // those of a stack at rest.
  std::this_thread::sleep_for(std::chrono::milliseconds{50});
  live_.end();
  order_.phase = Command::Phase::finish;
  order_.measuring = false;
  orders_.order.store(order_, std::memory_order_release);
  runtime_.wait();
}

// ---- orders

void Controller::give(Command order) {
  orders_.order.store(order, std::memory_order_release);
  for (const auto& worker : workers_) {
    while (!worker->has_applied(order) && !runtime_.finished()) {
      std::this_thread::sleep_for(std::chrono::microseconds{50});
    }
  }
}

void Controller::open(double rate) {
  orders_.rate.store(rate / static_cast<double>(plan_.clients.size()), std::memory_order_relaxed);
  order_.phase = Command::Phase::open;
  ++order_.opening;
  give(order_);
}

void Controller::measure(bool on) {
  order_.measuring = on;
  give(order_);
}

BenchWindow Controller::collect() const {
  BenchWindow window;
  const double hz = plan_.load.hz;
  for (const auto& worker : workers_) {
    auto& part = window.workers.emplace_back();
    part.begin = worker->begin();
    part.end = worker->end();
    // A server, where there is one, knows what arrived.
    if (plan_.servers.empty() || worker->role().server) {
      window.bytes += part.end.bytes - part.begin.bytes;
    }
    if (worker->client() == nullptr) continue;
    part.load = worker->client()->window();
    const bool whole = plan_.mode == LoadMode::stream && !plan_.endless();
    const std::uint64_t end = whole ? part.load.last_end : part.load.end;
    if (end <= part.load.begin) continue;
    const double seconds = static_cast<double>(end - part.load.begin) / hz;
    if (seconds <= 0) continue;
    window.seconds = std::max(window.seconds, seconds);
    window.cps += static_cast<double>(part.load.completed) / seconds;
    window.ended += part.load.totals.closed;
    window.totals += part.load.totals;
  }
  return window;
}

LoadTotals Controller::totals() const {
  LoadTotals totals;
  for (const auto& worker : workers_) {
    if (worker->client() == nullptr) continue;
    totals += worker->client()->totals();
    totals.failures(Failure::unfinished) += worker->client()->in_flight();
  }
  return totals;
}

// ---- waiting

bool Controller::sleep_until(Clock::time_point until) {
  while (!interrupted_) {
    const auto left = until - Clock::now();
    if (left <= Clock::duration::zero()) return true;
    if (left < slice) {
      std::this_thread::sleep_for(left);
    } else {
      tick();
    }
  }
  return false;
}

template <typename Condition>
bool Controller::wait_for(Condition condition, Seconds patience) {
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(patience);
  while (!condition()) {
    if (Clock::now() >= until) return false;
    tick();
  }
  return true;
}

void Controller::tick() {
  std::this_thread::sleep_for(slice);
  if (Clock::now() - shown_ >= std::chrono::seconds{1}) show();
}

void Controller::show() {
  const auto now = Clock::now();
  const std::uint64_t closed = sum(&LoadProgress::closed);
  report::Progress sample;
  sample.elapsed_s = Seconds(now - began_).count();
  sample.cps = static_cast<double>(closed - shown_closed_) / Seconds(now - shown_).count();
  sample.failures = sum(&LoadProgress::failed);
  sample.note = activity_;
  for (std::uint32_t worker = 0; worker < runtime_.workers(); ++worker) {
    const Counters counters = runtime_.stack(worker).counters();
    sample.time_wait += counters.states[static_cast<std::size_t>(State::time_wait)];
  }
  const std::uint64_t bytes = sum(&LoadProgress::bytes);
  if (plan_.mode == LoadMode::stream) {
    sample.gbit_s =
        static_cast<double>(bytes - shown_bytes_) * 8e-9 / Seconds(now - shown_).count();
  }
  shown_bytes_ = bytes;
  sample.open = sum(&LoadProgress::in_flight);  // a server's end of them is no other connection
  live_.show(sample);
  shown_ = now;
  shown_closed_ = closed;
}

std::uint64_t Controller::sum(std::atomic<std::uint64_t> LoadProgress::* counter) const {
  std::uint64_t total = 0;
  for (const auto& worker : workers_) {
    if (const LoadProgress* progress = worker->progress()) {
      total += (progress->*counter).load(std::memory_order_relaxed);
    }
  }
  return total;
}

bool Controller::all_primed() const {
  return std::ranges::all_of(workers_, [](const auto& worker) {
    return worker->progress() == nullptr || worker->progress()->primed;
  });
}

}  // namespace salut::load
