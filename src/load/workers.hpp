// The workers of a benchmark as its controller sees them: started together, waited for together,
// looked at meanwhile. salut bench has a Runtime behind it (cli/bench.cpp), a test whatever it
// likes: so the load generator needs neither DPDK nor a port.
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
  // Returns when it has.
  virtual void wait() = 0;
  // Those of one worker, while it runs.
  virtual Counters counters(std::uint32_t worker) = 0;
};

}  // namespace salut::load
