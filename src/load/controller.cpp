#include "load/controller.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/text.hpp"
#include "host/say.hpp"
#include "io/sleep.hpp"

namespace salut::load {

namespace {

constexpr auto slice = std::chrono::milliseconds{5};
constexpr double open_patience_s = 10;  // opening ends if nothing changes for so long
constexpr double stop_patience_s = 1;   // the longest drain after a signal
constexpr double prime_slack_s = 0.1;   // a run may last so much longer for its first connection
constexpr double announced_s = 0.1;     // a longer drain prints a line
constexpr double settle_s = 0.3;        // a new rate runs so long before its window
constexpr double window_s = 1.2;
constexpr double held_share = 0.98;  // a rate holds if so many of its opens were completed

}  // namespace

Controller::Controller(Workers& workers, const BenchPlan& plan, ProgressSink& live,
                       const std::atomic<bool>& interrupted)
    : threads_(workers), plan_(plan), live_(live), interrupted_(interrupted) {
  assign();
}

// Gives every worker its role, and its share of the load.
void Controller::assign() {
  const auto share = [this](std::uint64_t whole, std::size_t nth) {
    const std::uint64_t n = plan_.clients.size();
    return whole / n + (nth < whole % n ? 1 : 0);
  };
  for (std::uint32_t worker = 0; worker < threads_.count(); ++worker) {
    WorkerRole role;
    role.mode = plan_.mode;
    role.load = plan_.load;
    role.load.hold = plan_.mode == LoadMode::hold;
    role.load.search = plan_.mode == LoadMode::max;
    role.listen = plan_.listen;
    role.server = std::ranges::count(plan_.servers, worker) != 0;
    const auto client = std::ranges::find(plan_.clients, worker);
    role.client = client != plan_.clients.end();
    if (role.client) {
      const auto nth = static_cast<std::size_t>(client - plan_.clients.begin());
      // The clients open in turn, so that all together open as evenly as one.
      role.load.phase = static_cast<double>(nth) / static_cast<double>(plan_.clients.size());
      // Each client begins at another target, so that they do not all go to one server at a time.
      role.load.first_target = plan_.load.target.size() / plan_.clients.size() * nth;
      role.concurrency = static_cast<std::uint32_t>(share(plan_.concurrency, nth));
      if (plan_.limited()) role.load.limit = share(plan_.limit, nth);
      // The limit makes the number exact: the command to stop takes some milliseconds to arrive.
      if (plan_.mode == LoadMode::rate && !plan_.limited()) {
        const double opens = plan_.rate * plan_.duration.count();
        role.load.limit = share(static_cast<std::uint64_t>(std::llround(opens)), nth);
      }
    }
    workers_.push_back(std::make_unique<BenchWorker>(slot_, role));
  }
}

Result<void> Controller::run() {
  threads_.start([this](Stack& stack) { workers_[stack.worker()]->run(stack); });
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
    if (threads_.finished()) return fail(Errc::no_memory, "a worker ended before it began");
    io::sleep_for(slice);
  }
}

// ---- the kinds of run

// Waits until every client is past its first connection. A client waits for it for at most 1.5 s,
// so that a lost SYN can be repeated once.
void Controller::wait_until_primed() {
  activity_ = "waiting for the first answer";
  clock_runs_ = false;
  const auto until = began_ + std::chrono::duration_cast<Clock::duration>(plan_.duration);
  wait_until([this] { return all_primed(); }, until);
  clock_runs_ = true;
}

void Controller::timed_run() {
  const double duration = plan_.duration.count();
  const Seconds warm_up{std::min(1.0, duration / 10)};
  const Seconds tail{std::min(0.1, duration / 100)};
  began_ = shown_ = Clock::now();
  open(plan_.rate);
  wait_until_primed();
  // The schedule of a rate starts when the first connection is over. If that took a moment only,
  // the run begins now and has its whole duration; if it took long, the run still ends in time.
  const Seconds primed_after = Clock::now() - began_;
  if (primed_after.count() < prime_slack_s) began_ = shown_ = Clock::now();
  const auto at = [this](Seconds offset) {
    return began_ + std::chrono::duration_cast<Clock::duration>(offset);
  };
  activity_ = "warming up";
  sleep_until(at(warm_up));
  activity_ = "";
  if (!interrupted_ && Clock::now() < at(plan_.duration - tail)) {
    measure(true);
    sleep_until(at(plan_.duration - tail));
    measure(false);
    window_ = collect();
    sleep_until(at(plan_.duration));
  }
  if (primed_after.count() >= prime_slack_s) {
    notes_.push_back(
        fmt::format("the first connection took {:.1f} s of the duration", primed_after.count()));
  }
}

void Controller::limited_run() {
  measure(true);
  open(plan_.rate);
  const auto all_ended = [this] {
    return sum(&LoadProgress::attempted) >= plan_.limit && sum(&LoadProgress::in_flight) == 0;
  };
  const Seconds patience = plan_.silence + plan_.drain;
  if (!wait_while_moving(all_ended, patience)) {
    notes_.push_back(fmt::format("ended: nothing changed for {:g} s", patience.count()));
  }
  measure(false);
  window_ = collect();
}

// Is every connection of the plan established or failed?
bool Controller::all_open() const {
  return sum(&LoadProgress::attempted) >= plan_.limit && sum(&LoadProgress::handshakes) == 0;
}

void Controller::hold_run() {
  measure(true);
  activity_ = "opening";
  open();
  if (!wait_while_moving([this] { return all_open(); }, Seconds{open_patience_s})) {
    notes_.push_back(fmt::format("{} were not open when for {:g} s nothing had changed",
                                 with_commas(sum(&LoadProgress::handshakes)), open_patience_s));
  }
  activity_ = "holding";
  sleep_until(Clock::now() + std::chrono::duration_cast<Clock::duration>(plan_.duration));
  activity_ = "closing";
  command_.phase = Command::Phase::release;
  give(command_);
  drain();
  measure(false);
  window_ = collect();
  note_opening();
}

// Notes how long opening took, by the clients' own clocks: this thread looks every 5 ms only.
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
  clock_runs_ = false;
  open();
  wait_while_moving([this] { return all_open(); }, Seconds{open_patience_s});
  activity_ = "";
  clock_runs_ = true;
  began_ = shown_ = Clock::now();
  command_.phase = Command::Phase::release;
  const Seconds warm_up{plan_.endless() ? std::min(1.0, plan_.duration.count() / 10) : 0};
  if (plan_.endless()) give(command_);
  sleep_until(began_ + std::chrono::duration_cast<Clock::duration>(warm_up));
  measure(true);  // also gives the command to send
  if (plan_.endless()) {
    sleep_until(began_ + std::chrono::duration_cast<Clock::duration>(plan_.duration));
  } else {
    wait_while_moving([this] { return sum(&LoadProgress::in_flight) == 0; },
                      plan_.silence + plan_.drain);
  }
  measure(false);
  window_ = collect();
}

void Controller::max_run() {
  MaxSearch search;
  std::string failed;
  const Seconds last_start = plan_.duration - Seconds{settle_s + window_s};
  const auto until = began_ + std::chrono::duration_cast<Clock::duration>(last_start);
  for (bool first = true; !search.done() && !interrupted_ && (first || Clock::now() < until);
       first = false) {
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

// Measures one window at one rate. It becomes the result if the rate held and is the best so far.
bool Controller::try_rate(double rate) {
  const std::string activity = fmt::format("trying {:.0f}", rate);
  activity_ = activity.c_str();
  const std::uint64_t failed = sum(&LoadProgress::failed);
  const auto now = Clock::now();
  const auto at = [now](double offset) {
    return now + std::chrono::duration_cast<Clock::duration>(Seconds{offset});
  };
  open(rate);
  sleep_until(at(settle_s));
  measure(true);
  sleep_until(at(settle_s + window_s));
  measure(false);
  BenchWindow window = collect();
  command_.phase = Command::Phase::wait;
  give(command_);
  drain();
  activity_ = "";
  const bool held = !interrupted_ && sum(&LoadProgress::failed) == failed &&
                    window.cps >= rate * held_share && window.totals.all_failures() == 0;
  if (held && window.cps > window_.cps) window_ = std::move(window);
  return held;
}

void Controller::drain() {
  if (command_.phase == Command::Phase::open || plan_.mode == LoadMode::stream) {
    command_.phase = Command::Phase::wait;
    give(command_);
  }
  const auto began = Clock::now();
  const auto none_left = [this] { return sum(&LoadProgress::in_flight) == 0; };
  const bool stopped = interrupted_;
  const Seconds patience = stopped ? std::min(plan_.drain, Seconds{stop_patience_s}) : plan_.drain;
  const auto wait = [&](Seconds so_long) {
    return interrupted_ == stopped &&
           wait_until(none_left, began + std::chrono::duration_cast<Clock::duration>(so_long));
  };
  bool done = wait(std::min(patience, Seconds{announced_s}));
  if (!done && patience > Seconds{announced_s}) {
    live_.end();
    say(stderr, "draining: {} open, at most {:g} s (--drain)\n",
        with_commas(sum(&LoadProgress::in_flight)), patience.count());
    if (*activity_ == 0) activity_ = "draining";
    done = wait(patience);
  }
  if (!done && plan_.mode != LoadMode::max) reset_rest(sum(&LoadProgress::in_flight));
}

void Controller::reset_rest(std::uint64_t left) {
  notes_.push_back(fmt::format("{} were still open after the drain and were reset (unfinished)",
                               with_commas(left)));
  command_.phase = Command::Phase::abort;
  give(command_);
  wait_until([this] { return sum(&LoadProgress::in_flight) == 0; },
             Clock::now() + std::chrono::seconds{1});
}

void Controller::finish() {
  elapsed_ = Clock::now() - began_;
  // The last ACKs are still on their way. The servers get time to receive them, so that the states
  // in the report are those of a stack at rest.
  io::sleep_for(std::chrono::milliseconds{50});
  live_.end();
  command_.phase = Command::Phase::finish;
  command_.measuring = false;
  slot_.command.store(command_, std::memory_order_release);
  threads_.wait();
}

// ---- commands

void Controller::give(Command command) {
  slot_.command.store(command, std::memory_order_release);
  for (const auto& worker : workers_) {
    while (!worker->has_applied(command) && !threads_.finished()) {
      io::sleep_for(std::chrono::microseconds{50});
    }
  }
}

void Controller::open(double rate) {
  slot_.rate.store(rate / static_cast<double>(plan_.clients.size()), std::memory_order_relaxed);
  command_.phase = Command::Phase::open;
  ++command_.opening;
  give(command_);
}

void Controller::measure(bool on) {
  command_.measuring = on;
  give(command_);
}

BenchWindow Controller::collect() const {
  BenchWindow window;
  const double hz = plan_.load.hz;
  for (const auto& worker : workers_) {
    auto& part = window.workers.emplace_back();
    part.begin = worker->begin();
    part.end = worker->end();
    // If a server runs here, only its count of arrived bytes counts.
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

void Controller::sleep_until(Clock::time_point until) {
  if (!interrupted_) wait_until([] { return false; }, until);
}

// A signal that comes meanwhile ends the wait. A wait that begins after a signal, as the drain's
// does, goes on.
template <typename Condition>
bool Controller::wait_until(Condition condition, Clock::time_point until) {
  const bool before = interrupted_;
  while (!condition()) {
    const auto left = until - Clock::now();
    if (left <= Clock::duration::zero() || interrupted_ != before) return false;
    if (left < slice) {
      io::sleep_until(until);
    } else {
      tick();
    }
  }
  return true;
}

// The totals whose change shows that a run makes progress.
struct Controller::Moved {
  std::uint64_t attempted, established, closed, failed, bytes;
  friend bool operator==(const Moved&, const Moved&) = default;
};

template <typename Condition>
bool Controller::wait_while_moving(Condition condition, Seconds patience) {
  const auto now_at = [this] {
    return Moved{sum(&LoadProgress::attempted), sum(&LoadProgress::established),
                 sum(&LoadProgress::closed), sum(&LoadProgress::failed), sum(&LoadProgress::bytes)};
  };
  Moved moved = now_at();
  auto since = Clock::now();
  while (!interrupted_ && !condition()) {
    tick();
    if (const Moved now = now_at(); now != moved) {
      moved = now;
      since = Clock::now();
    } else if (Clock::now() - since > patience) {
      return false;
    }
  }
  return true;
}

void Controller::tick() {
  io::sleep_for(slice);
  if (Clock::now() - shown_ >= std::chrono::seconds{1}) show();
}

void Controller::show() {
  const auto now = Clock::now();
  const std::uint64_t closed = sum(&LoadProgress::closed);
  Progress sample;
  sample.elapsed_s = clock_runs_ ? Seconds(now - began_).count() : 0;
  sample.cps = static_cast<double>(closed - shown_closed_) / Seconds(now - shown_).count();
  sample.failures = sum(&LoadProgress::failed);
  sample.note = activity_;
  for (std::uint32_t worker = 0; worker < threads_.count(); ++worker) {
    const Counters counters = threads_.counters(worker);
    sample.time_wait += counters.states[static_cast<std::size_t>(State::time_wait)];
  }
  const std::uint64_t bytes = sum(&LoadProgress::bytes);
  if (plan_.mode == LoadMode::stream) {
    sample.gbit_s =
        static_cast<double>(bytes - shown_bytes_) * 8e-9 / Seconds(now - shown_).count();
  }
  shown_bytes_ = bytes;
  sample.open = sum(&LoadProgress::in_flight);  // the server's ends are the same connections
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
