// The line that says once a second how a run is going: rewritten in place on a terminal, one line
// after the other into a file or a pipe.
#pragma once

#include <cstdint>
#include <cstdio>

namespace salut::ops {

struct LiveSample {
  double elapsed_s = 0;
  double cps = 0;      // of the last second
  double gbit_s = -1;  // the same; a stream, if not below 0
  std::uint64_t open = 0;
  std::uint64_t time_wait = 0;
  std::uint64_t failures = 0;
  const char* note = "";  // "warming up", "closing", or nothing
};

class LiveLine {
 public:
  explicit LiveLine(std::FILE* out);
  ~LiveLine() { end(); }
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

  void show(const LiveSample& sample);
  void end();  // so that what follows begins on a line of its own

 private:
  std::FILE* out_;
  bool terminal_;
  bool shown_ = false;
};

}  // namespace salut::ops
