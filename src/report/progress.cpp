#include "report/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <string>

#include "report/report.hpp"

namespace salut::report {

ProgressLine::ProgressLine(std::FILE* out) : out_(out), terminal_(isatty(fileno(out)) == 1) {}

void ProgressLine::show(const Progress& sample) {
  std::string line =
      sample.gbit_s >= 0
          ? fmt::format("{:6.1f} s  {:7.3f} Gbit/s  {:>9} open  {} failed", sample.elapsed_s,
                        sample.gbit_s, with_commas(sample.open), with_commas(sample.failures))
          : fmt::format("{:6.1f} s  {:>11} CPS  {:>9} open  {:>11} TIME_WAIT  {} failed",
                        sample.elapsed_s, with_commas(static_cast<std::uint64_t>(sample.cps + 0.5)),
                        with_commas(sample.open), with_commas(sample.time_wait),
                        with_commas(sample.failures));
  if (*sample.note != 0) line += fmt::format("  ({})", sample.note);
  // Erase to the end of the line: the one before may have been longer.
  fmt::print(out_, "{}{}{}", terminal_ ? "\r" : "", line, terminal_ ? "\x1b[K" : "\n");
  std::fflush(out_);
  shown_ = true;
}

void ProgressLine::end() {
  if (shown_ && terminal_) fmt::print(out_, "\n");
  shown_ = false;
}

}  // namespace salut::report
