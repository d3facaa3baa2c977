// Keeps what the network is told (the `up` and `down` of [announce]) in step with our health.
//
//   healthy ──up──► announced ──`failures` bad checks in a row, a drain, a stop──► down
//      ▲                                                                            │
//      └──────────────────── a good check, unless we drain or stop ─────────────────┘
//
// Whatever `up` did or did not do, `down` is owed once it was run; a `down` that failed is owed
// still. Threads: control thread; commands hold it up, for timeout_s at most.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "salut/config.hpp"

namespace salut::service {

class Announcer {
 public:
  using Clock = std::chrono::steady_clock;

  // `cancelled`: we are told to stop, so that `up` and `check` are not waited for.
  Announcer(const AnnounceConfig& config, std::string name, std::function<bool()> cancelled)
      : config_(config), name_(std::move(name)), cancelled_(std::move(cancelled)) {}

  // While we serve, each turn of the control thread: checks when that is due, and does what
  // follows. `ailment` says what is wrong inside, if anything is; it is asked before `check` is
  // run.
  void tick(Clock::time_point now, const std::function<std::optional<std::string>()>& ailment);

  // `down`, if it is owed. `why` stands in the line that says so.
  void withdraw(std::string_view why);

  // `up` was run, and no `down` that succeeded since.
  bool owes_down() const { return owed_; }

 private:
  bool run(std::string_view key, const std::string& command, std::string_view why);
  std::optional<std::string> find_ailment(
      const std::function<std::optional<std::string>()>& ailment) const;

  AnnounceConfig config_;
  std::string name_;
  std::function<bool()> cancelled_;
  Clock::time_point due_;
  std::uint32_t failed_ = 0;  // in a row
  bool announced_ = false;    // `up` succeeded and `down` was not run since
  bool owed_ = false;         // `down`
};

}  // namespace salut::service
