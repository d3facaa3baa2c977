// The workers of a benchmark as its controller sees them: it starts them together, waits for them
// together, and reads their counters meanwhile. `salut bench` implements this with a Runtime
// (cli/bench.cpp) and a test with anything else, so that the load generator needs neither DPDK nor
// a port.
//
// Threads: the control thread.
#pragma once

#include <cstdint>
#include <functional>

#include "salut/stack.hpp"

namespace salut::load {

class Workers {
 public:
  virtual ~Workers() = default;
  virtual std::uint32_t count() const = 0;
  // Runs `application` on every worker, with that worker's stack, and returns at once.
  virtual void start(std::function<void(Stack&)> application) = 0;
  // Has `application` returned on every worker?
  virtual bool finished() const = 0;
  // Waits until finished().
  virtual void wait() = 0;
  // The counters of one worker, also while it runs.
  virtual Counters counters(std::uint32_t worker) = 0;
};

}  // namespace salut::load
