// A command of the configuration, run by /bin/sh while the workers go on.
//
// It is a process group of its own, with nothing on standard input, its output on our standard
// error, and no other descriptor of ours: what it leaves running does not hold a TAP. Whoever runs
// too long is killed with all that it started.
//
// Threads: any, but not on an lcore: it waits.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "salut/time.hpp"

namespace salut::service {

struct CommandResult {
  enum class End : unsigned char { exited, signalled, timed_out, cancelled, not_started };
  End end = End::not_started;
  int code = 0;  // exit status, signal, or errno
  double seconds = 0;

  bool ok() const { return end == End::exited && code == 0; }
  std::string text() const;  // "exit status 1 after 0.02 s"
};

// `cancelled` is asked now and then; true kills it. `name`: SALUT_NAME in its environment.
CommandResult run_command(const std::string& line, Duration timeout, std::string_view name,
                          const std::function<bool()>& cancelled);

}  // namespace salut::service
