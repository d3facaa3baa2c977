// The control thread of `salut serve`, while the workers work: it listens to signals and to `salut
// drain`, runs the commands of [announce], and ends the run in order.
//
//   starting ──all workers listen──► serving ──drain──► draining ──none open, or --drain over──┐
//      │                                │                   │                                  ▼
//      └── a signal, a worker that fails┴───────────────────┴──────────────────────────► stopping
//
// `up` waits until the siblings were heard: the router will move some of their flows here, and we
// must forward those. It waits no longer than it takes to declare a sibling dead.
//
// A drain runs `down` first, so that routers send no new clients here. Then it calls
// Runtime::drain(), which drops late SYNs in silence. Then it waits until no connection is open,
// for settle_s at least (routers need a moment) and --drain at most, and stops. A stop without a
// drain runs `down` too, and closes the open connections. A second signal ends the process at once.
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
  // How many workers listen, and what to print when all do.
  struct Start {
    const std::atomic<std::uint32_t>& listening;
    std::function<void()> say;
  };

  Supervisor(Runtime& runtime, ControlSocket& socket, const StopOnSignal& signals, Duration drain);

  // Returns when every worker has returned.
  void run(const Start& start);
  // Says how the run ended, on standard error and to the clients of `salut drain --wait`. To be
  // called once the result is written.
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
  Clock::time_point siblings_by_;  // when we stop waiting for them
  Clock::time_point drained_at_least_;
  Clock::time_point drained_at_most_;
  std::optional<std::uint64_t> left_;
  std::vector<std::uint64_t> turns_;  // of each worker, at the last check
};

}  // namespace salut::service
