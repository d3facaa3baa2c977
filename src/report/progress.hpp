// The progress of a run, one line a second. On a terminal the line is rewritten in place, cut to
// the width, and red once something failed. In a file, a pipe or on a terminal without escape
// sequences (TERM=dumb) each is a line of its own. NO_COLOR is honoured.
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
