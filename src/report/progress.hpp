// The line that says once a second how a run is going: rewritten in place on a terminal, cut to its
// width and red once something failed; one line after the other into a file, a pipe, or a terminal
// that knows no escape sequences (TERM=dumb). NO_COLOR is honoured.
#pragma once

#include <cstdio>

#include "load/progress.hpp"

namespace salut::report {

class ProgressLine final : public load::ProgressSink {
 public:
  explicit ProgressLine(std::FILE* out);
  ~ProgressLine() override { ProgressLine::end(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(const load::Progress& sample) override;
  void end() override;  // so that what follows begins on a line of its own

 private:
  std::FILE* out_;
  bool terminal_;
  bool colour_;
  bool shown_ = false;
};

}  // namespace salut::report
