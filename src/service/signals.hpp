// The first SIGINT or SIGTERM asks a runtime to stop and sets stopped(). The second one ends the
// process at once. SIGHUP (the terminal was closed) does the same where there is a runtime. Where
// there is none it is ignored: a server outlives the shell that started it.
#pragma once

#include <atomic>

#include "salut/runtime.hpp"

namespace salut::service {

// Ignores SIGHUP, SIGUSR1, SIGUSR2 and SIGPIPE, which would end the process.
void ignore_harmless_signals();

// Handles the signals while it lives. At most one at a time.
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
