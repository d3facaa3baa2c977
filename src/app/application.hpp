// An application: what a worker does with the events of its stack.
//
// A call handles a batch of events, so that an event pays little for its virtual dispatch. An
// application keeps its data about each connection in a fixed table
// (salut/connection_table.hpp). It allocates nothing per connection; only the list of those that
// linger (stream_server.hpp) may grow.
//
// Threads: an application belongs to one worker, as its stack does.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "salut/counters.hpp"
#include "salut/stack.hpp"

namespace salut::app {

// What an application has done since its start. Read it after its worker has returned.
struct Totals {
  std::uint64_t connections = 0;  // accepted
  std::uint64_t requests = 0;     // answered (http)
  std::uint64_t bytes_in = 0;     // of payload
  std::uint64_t bytes_out = 0;
  std::uint64_t refused = 0;  // reset because the table of connections was full
  std::uint64_t aborted = 0;  // reset at the end because the peer did not close in time
  // ended because the peer was silent for too long (ServeConfig)
  std::uint64_t header_timeouts = 0;  // in the middle of a request, or before the first (http)
  std::uint64_t idle_timeouts = 0;    // between requests, or between bytes
  std::uint64_t send_timeouts = 0;    // reset: it did not take what it was sent
};

inline constexpr auto total_fields = std::to_array<CountField<Totals>>({
    {"connections", &Totals::connections, "connections"},
    {"requests", &Totals::requests, "requests"},
    {"bytes_in", &Totals::bytes_in, "bytes in"},
    {"bytes_out", &Totals::bytes_out, "bytes out"},
    {"refused", &Totals::refused, "refused"},
    {"aborted", &Totals::aborted, "reset at last"},
    {"header_timeouts", &Totals::header_timeouts, "slow requests"},
    {"idle_timeouts", &Totals::idle_timeouts, "idle too long"},
    {"send_timeouts", &Totals::send_timeouts, "stalled, reset"},
});

// The last turns of a worker: sends what is left, until the stack has nothing more to send or after
// 1,024 turns (a device may take nothing).
inline void send_rest(Stack& stack) {
  constexpr int turns_max = 1'024;
  stack.poll();
  for (int turn = 0; turn < turns_max && stack.saturated(); ++turn) stack.poll();
}

class Application {
 public:
  virtual ~Application() = default;

  // Listens. An Error is one line for the user.
  virtual Result<void> start(Stack& stack) = 0;
  // Called once per turn, also without events, so that the application can check its timeouts.
  virtual void on_events(Stack& stack, std::span<const Event> events) = 0;
  // Accepts nothing more, finishes what was begun, sends FIN on every connection.
  virtual void stop(Stack& stack) = 0;
  // Resets the connections that stop() could not finish.
  virtual void abort(Stack& stack) = 0;

  const Totals& totals() const { return totals_; }

 protected:
  Totals totals_;
};

// Serves until the stack is asked to stop, then closes every connection. Returns when none is open
// any more, or after `drain`, when it resets those that are left.
void serve_loop(Stack& stack, Application& application, Duration drain);

}  // namespace salut::app
