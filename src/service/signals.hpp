// SIGINT and SIGTERM ask a runtime to stop, or whoever looks at stopped() to stop it; the second
// one ends the process at once.
#pragma once

#include <atomic>

#include "salut/runtime.hpp"

namespace salut::service {

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
