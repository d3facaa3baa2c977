// What is watched of one engine after each of its turns, whatever the world does to it.
#pragma once

#include <set>
#include <string>

#include "oracle.hpp"

namespace salut::sim {

// TIME_WAIT lasts 2MSL, not a tick less. A record that goes must have had a deadline that has come;
// which of a host's records it is, nobody sees, so that it is taken to be the earliest.
class TimeWaitWatch {
 public:
  // What is wrong, or nothing.
  const char* look(const Counters& before, const Counters& after, Instant now, Duration msl) {
    constexpr auto state = static_cast<std::size_t>(State::time_wait);
    const std::uint64_t entered = after.states_entered[state] - before.states_entered[state];
    const std::uint64_t left = before.states[state] + entered - after.states[state];
    const std::uint64_t expired = after.time_wait_expired - before.time_wait_expired;
    for (std::uint64_t i = 0; i < expired; ++i) {
      if (deadlines_.empty() || *deadlines_.begin() > now) return "TIME_WAIT ended before 2MSL";
      deadlines_.erase(deadlines_.begin());
    }
    for (std::uint64_t i = 0; i < entered; ++i) deadlines_.insert(now + 2 * msl);
    // Reused, aborted, or timed out as a TCB: any of them may have been the one.
    for (std::uint64_t i = expired; i < left && !deadlines_.empty(); ++i) {
      deadlines_.erase(std::prev(deadlines_.end()));
    }
    return nullptr;
  }

 private:
  std::multiset<Instant> deadlines_;
};

// Counters that no moves of the transition table explain, TIME_WAIT, and every sixteenth turn a
// walk over all slots.
class Watch {
 public:
  Watch(const stack::Engine& engine, Duration msl)
      : engine_(engine), last_(engine.counters()), msl_(msl) {}

  // What is wrong, or nothing.
  std::string look(Instant now, oracle::Edges* edges) {
    const Counters& counters = engine_.counters();
    std::string wrong = oracle::unexplained(last_, counters, edges);
    if (const char* early = time_wait_.look(last_, counters, now, msl_);
        early != nullptr && wrong.empty()) {
      wrong = early;
    }
    if (++turns_ % 16 == 0 && wrong.empty()) wrong = oracle::inconsistent(engine_);
    last_ = counters;
    return wrong;
  }

 private:
  const stack::Engine& engine_;
  Counters last_;
  Duration msl_;
  TimeWaitWatch time_wait_;
  std::uint64_t turns_ = 0;
};

}  // namespace salut::sim
