// Lines for the Log of the Runtime: ours, and what DPDK and the libraries below it print.
//
// There is one per process, as there is one DPDK. Without one nothing is written anywhere.
//
// While the process's output is captured (io/capture_output.hpp) lines wait: a receiver that prints
// would print into what is captured, and be called again with its own words.
//
// Threads: any. A lock makes lines come one at a time.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "salut/log.hpp"

namespace salut::io {

// From now on; an empty one ends it, and no call of the last one is under way when this returns.
void set_log(Log log);
// False: there is none.
bool log_line(LogLevel level, std::string_view line);
// Lines wait from hold_log() until release_log() gives them to the receiver; calls nest.
void hold_log();
void release_log();

// The level of a line of DPDK's: its own, but debug for what its TAP driver calls an error at every
// start at which all is well.
LogLevel level_of(LogLevel own, std::string_view line);

template <typename... Arguments>
void log(LogLevel level, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  log_line(level, fmt::format(format, std::forward<Arguments>(arguments)...));
}

// Cuts what comes in pieces into lines.
class LogLines {
 public:
  void append(LogLevel level, std::string_view text);

 private:
  static constexpr std::size_t longest = 4'096;
  std::string begun_;  // a line whose end has not come
};

}  // namespace salut::io
