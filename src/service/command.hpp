// A command of the configuration, run by /bin/sh while the workers go on.
//
// The command runs in a process group of its own. Its standard input is empty, its output goes to
// our standard error, and it inherits no other descriptor, so that a process that it leaves running
// does not hold a TAP open. A command that runs too long is killed with its whole group.
//
// Threads: control thread. While it runs, SIGCHLD is as by default (signal(7)) in the whole
// process.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "salut/time.hpp"

namespace salut::service {

struct CommandResult {
  enum class End : unsigned char {
    exited,
    signalled,
    timed_out,
    cancelled,
    lost,  // the kernel did not say how it ended
    not_started,
  };
  End end = End::not_started;
  int code = 0;  // exit status, signal, or errno
  double seconds = 0;

  bool ok() const { return end == End::exited && code == 0; }
  std::string text() const;  // "exit status 1 after 0.02 s"
};

// `cancelled` is asked now and then; when it returns true the command is killed. `name` becomes
// SALUT_NAME in its environment.
CommandResult run_command(const std::string& line, Duration timeout, std::string_view name,
                          const std::function<bool()>& cancelled);

}  // namespace salut::service
