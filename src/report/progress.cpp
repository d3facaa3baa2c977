#include "report/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "host/say.hpp"
#include "host/terminal.hpp"
#include "report/report.hpp"

namespace salut::report {

ProgressLine::ProgressLine(std::FILE* out)
    : out_(out), terminal_(is_terminal(out)), colour_(has_colour(out)) {}

void ProgressLine::show(const load::Progress& sample) {
  std::string line =
      sample.gbit_s >= 0
          ? fmt::format("{:6.1f} s  {:7.3f} Gbit/s  {:>9} open  {} failed", sample.elapsed_s,
                        sample.gbit_s, with_commas(sample.open), with_commas(sample.failures))
          : fmt::format("{:6.1f} s  {:>11} CPS  {:>9} open  {:>11} TIME_WAIT  {} failed",
                        sample.elapsed_s, with_commas(static_cast<std::uint64_t>(sample.cps + 0.5)),
                        with_commas(sample.open), with_commas(sample.time_wait),
                        with_commas(sample.failures));
  if (*sample.note != 0) line += fmt::format("  ({})", sample.note);
  if (!terminal_) {
    say(out_, "{}\n", line);
  } else {
    // Read each time, because windows are resized. One column stays free: some terminals wrap when
    // the last one is filled.
    const std::size_t room = terminal_width(out_) - std::min(1u, terminal_width(out_));
    line.resize(std::min(line.size(), room));
    const bool red = colour_ && sample.failures != 0;
    // Erase to the end of the line: the one before may have been longer.
    say(out_, "\r{}{}{}\x1b[K", red ? "\x1b[31m" : "", line, red ? "\x1b[0m" : "");
  }
  std::fflush(out_);
  shown_ = true;
}

void ProgressLine::end() {
  if (shown_ && terminal_) say(out_, "\n");
  shown_ = false;
}

}  // namespace salut::report
