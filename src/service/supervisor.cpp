#include "service/supervisor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/text.hpp"
#include "host/say.hpp"

namespace salut::service {
namespace {

constexpr std::chrono::milliseconds siblings_patience{3'500};  // ip::Siblings::dead_after
constexpr std::chrono::milliseconds turn_starting{2};
constexpr std::chrono::milliseconds turn_serving{20};
// Counters of a worker are 10 ms old at most, and a stack drains from its next poll() on.
constexpr std::chrono::milliseconds counters_settle{50};

}  // namespace

Supervisor::Supervisor(Runtime& runtime, ControlSocket& socket, const StopOnSignal& signals,
                       Duration drain)
    : runtime_(runtime),
      socket_(socket),
      signals_(signals),
      drain_(drain),
      announcer_(runtime.config().announce, runtime.config().name,
                 [&signals] { return signals.stopped().load(); }) {}

void Supervisor::run(const Start& start) {
  while (!runtime_.finished()) turn(start);
  runtime_.wait();
  announcer_.withdraw("end");  // if a worker failed, `down` was not run yet
}

void Supervisor::turn(const Start& start) {
  socket_.serve(phase_ == Phase::serving ? turn_serving : turn_starting,
                [this](std::string_view line) { return answer(line); });
  if (phase_ != Phase::stopping && signals_.stopped()) return stop("stop");
  switch (phase_) {
    case Phase::starting:
      if (start.listening < runtime_.workers()) break;
      phase_ = Phase::serving;
      siblings_by_ = Clock::now() + siblings_patience;
      start.say();
      break;
    case Phase::serving:
      if (drain_wanted_) return begin_drain();
      if (!knows_siblings()) break;
      announcer_.tick(Clock::now(), [this] { return find_stuck_worker(); });
      break;
    case Phase::draining:
      watch_drain();
      break;
    case Phase::stopping:
      break;
  }
}

std::string Supervisor::answer(std::string_view line) {
  if (line != "drain") return "";
  const bool again = drain_wanted_ || phase_ == Phase::stopping;
  drain_wanted_ = true;
  return fmt::format("{}draining, {} open", again ? "already " : "", with_commas(open()));
}

void Supervisor::begin_drain() {
  say(stderr, "draining: {} open, at most {:g} s\n", with_commas(open()),
      std::chrono::duration<double>(drain_).count());
  phase_ = Phase::draining;
  const bool told = announcer_.owes_down();
  announcer_.withdraw("drain");
  runtime_.drain();
  const Clock::time_point now = Clock::now();
  drained_at_least_ = now + counters_settle;
  if (told) drained_at_least_ += runtime_.config().announce.settle;
  drained_at_most_ = std::max(now + drain_, drained_at_least_);
}

void Supervisor::watch_drain() {
  const Clock::time_point now = Clock::now();
  if (now < drained_at_least_ || (open() != 0 && now < drained_at_most_)) return;
  left_ = open();
  stop("stop");
}

// From now on SYNs are dropped and not reset: another instance may answer them.
void Supervisor::stop(std::string_view why) {
  if (phase_ == Phase::serving) announcer_.withdraw(why);
  if (phase_ == Phase::draining && !left_) left_ = open();
  phase_ = Phase::stopping;
  const Config& config = runtime_.config();
  const bool shared = !config.announce.down.empty() ||
                      std::any_of(config.ports.begin(), config.ports.end(),
                                  [](const PortConfig& port) { return !port.siblings.empty(); });
  if (shared) runtime_.drain();
  runtime_.stop();
}

void Supervisor::report_end() {
  if (left_) say(stderr, "drained: {} left open\n", with_commas(*left_));
  socket_.tell(left_ ? fmt::format("drained, {} left open", with_commas(*left_)) : "stopped");
}

std::uint64_t Supervisor::open() const {
  std::uint64_t sum = 0;
  for (std::uint32_t worker = 0; worker < runtime_.workers(); ++worker) {
    sum += runtime_.stack(worker).counters().open_connections();
  }
  return sum;
}

bool Supervisor::knows_siblings() {
  if (siblings_by_ == Clock::time_point{}) return true;
  std::uint64_t unknown = 0;
  const Config& config = runtime_.config();
  for (std::uint32_t worker = 0; worker < runtime_.workers(); ++worker) {
    for (const PortConfig& port : config.ports) {
      if (port.on_worker(worker)) unknown += port.siblings.size();
    }
    unknown -= std::min(unknown, runtime_.stack(worker).counters().siblings_alive);
  }
  if (unknown != 0 && Clock::now() < siblings_by_) return false;
  if (unknown != 0) say(stderr, "siblings: {} not heard\n", unknown);
  siblings_by_ = {};
  return true;
}

std::optional<std::string> Supervisor::find_stuck_worker() {
  std::optional<std::string> stuck;
  turns_.resize(runtime_.workers());
  for (std::uint32_t worker = 0; worker < runtime_.workers(); ++worker) {
    const std::uint64_t turns = runtime_.stack(worker).loop_stats().turns;
    if (turns == turns_[worker]) stuck = fmt::format("worker {} does not turn", worker);
    turns_[worker] = turns;
  }
  return stuck;
}

}  // namespace salut::service
