// SIGINT and SIGTERM ask a runtime to stop, or whoever looks at stopped() to stop it; the second
// one ends the process at once. A terminal that was closed (SIGHUP) stops a runtime too, but is
// nothing to who only looks at stopped(): a server outlives the shell that started it.
#pragma once

#include <atomic>

#include "salut/runtime.hpp"

namespace salut::service {

// SIGHUP, SIGUSR1, SIGUSR2 and SIGPIPE end a process by default and ask for nothing that we do.
void ignore_harmless_signals();

// While it lives the signals are ours. One at a time.
class StopOnSignal {
 public:
  // Null: the signal only sets stopped().
  explicit StopOnSignal(Runtime* runtime);
  ~StopOnSignal();
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;

  const std::atomic<bool>& stopped() const;
};

}  // namespace salut::service
