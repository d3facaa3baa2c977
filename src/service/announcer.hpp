// Runs the commands `up` and `down` of [announce], so that the network sends clients here only
// while we are healthy.
//
//   healthy ──up──► announced ──`failures` bad checks in a row, a drain, a stop──► down
//      ▲                                                                            │
//      └──────────────────── a good check, unless we drain or stop ─────────────────┘
//
// Once `up` was run, with or without success, `down` must be run: it is owed, and stays owed until
// it succeeds. Threads: control thread; it waits for each command, timeout_s at most.
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

  // `cancelled` returns true once we must stop; `up` and `check` are killed then.
  Announcer(const AnnounceConfig& config, std::string name, std::function<bool()> cancelled)
      : config_(config), name_(std::move(name)), cancelled_(std::move(cancelled)) {}

  // To be called in each turn of the control thread while we serve. Runs `check` when that is due,
  // and `up` or `down` if the answer asks for it. `ailment` is asked before that: it returns what
  // is wrong in this process, or nothing.
  void tick(Clock::time_point now, const std::function<std::optional<std::string>()>& ailment);

  // Runs `down` if it is owed, and says `why` in the log.
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
