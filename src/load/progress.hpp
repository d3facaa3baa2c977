// The progress of a run, once a second. The controller fills it in; code that shows it implements
// ProgressSink (report/progress.hpp prints a line).
//
// Threads: the control thread.
#pragma once

#include <cstdint>

namespace salut::load {

struct Progress {
  double elapsed_s = 0;
  double cps = 0;      // of the last second
  double gbit_s = -1;  // of the last second; below 0: the run is no stream
  std::uint64_t open = 0;
  std::uint64_t time_wait = 0;
  std::uint64_t failures = 0;
  const char* note = "";  // "warming up", "closing", or nothing
};

class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  virtual void show(const Progress& sample) = 0;
  virtual void end() = 0;  // no sample follows
};

}  // namespace salut::load
