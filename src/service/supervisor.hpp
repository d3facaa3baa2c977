// What the control thread of `salut serve` does while the workers work: it listens to signals and
// to `salut drain`, keeps the announcement in step, and ends the run in order.
//
//   starting ──all listen──► serving ──drain──► draining ──none open, or --drain is over──►
//   stopping
//      │                        │                   │
//      └─────────── a signal, a worker that fails ──┴──────────────────────────────────────►
//      stopping
//
// `up` waits for siblings to be heard, since flows that the router moves here are theirs; but not
// for longer than it takes to say that one is dead.
//
// A drain: `down` first, so that no more new clients are led here; then Runtime::drain(), which
// refuses in silence what still comes; then it waits until no connection is open, for settle_s at
// least (routers need a moment) and --drain at most; then it stops. A stop without a drain says
// `down` too, and closes what is open. A second signal ends the process at once.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "salut/runtime.hpp"
#include "service/announcer.hpp"
#include "service/control_socket.hpp"
#include "service/signals.hpp"

namespace salut::service {

class Supervisor {
 public:
  // What the workers count to as they begin to listen, and what is to be said when all do.
  struct Start {
    const std::atomic<std::uint32_t>& listening;
    std::function<void()> say;
  };

  Supervisor(Runtime& runtime, ControlSocket& socket, const StopOnSignal& signals, Duration drain);

  // Returns when every worker has returned.
  void run(const Start& start);
  // How many connections were still open when the drain was over; nothing if there was none.
  // To be called when the report is out: who waits for the drain is told then.
  void report_end();

 private:
  using Clock = Announcer::Clock;
  enum class Phase : std::uint8_t { starting, serving, draining, stopping };

  std::string answer(std::string_view line);
  void turn(const Start& start);
  void begin_drain();
  void watch_drain();
  void stop(std::string_view why);
  std::uint64_t open() const;
  bool knows_siblings();
  std::optional<std::string> find_stuck_worker();

  Runtime& runtime_;
  ControlSocket& socket_;
  const StopOnSignal& signals_;
  Duration drain_;
  Announcer announcer_;
  Phase phase_ = Phase::starting;
  bool drain_wanted_ = false;
  Clock::time_point siblings_by_;  // then they are not waited for any longer
  Clock::time_point drained_at_least_;
  Clock::time_point drained_at_most_;
  std::optional<std::uint64_t> left_;
  std::vector<std::uint64_t> turns_;  // of each worker, at the last check
};

}  // namespace salut::service
