// The line that says once a second how a run is going: rewritten in place on a terminal, cut to its
// width and red once something failed; one line after the other into a file, a pipe, or a terminal
// that knows no escape sequences (TERM=dumb). NO_COLOR is honoured.
#pragma once

#include <cstdint>
#include <cstdio>

namespace salut::report {

struct Progress {
  double elapsed_s = 0;
  double cps = 0;      // of the last second
  double gbit_s = -1;  // the same; a stream, if not below 0
  std::uint64_t open = 0;
  std::uint64_t time_wait = 0;
  std::uint64_t failures = 0;
  const char* note = "";  // "warming up", "closing", or nothing
};

class ProgressLine {
 public:
  explicit ProgressLine(std::FILE* out);
  ~ProgressLine() { end(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(const Progress& sample);
  void end();  // so that what follows begins on a line of its own

 private:
  std::FILE* out_;
  bool terminal_;
  bool colour_;
  bool shown_ = false;
};

}  // namespace salut::report
