#include "service/command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <vector>

#include "io/sleep.hpp"

namespace salut::service {
namespace {

using Clock = std::chrono::steady_clock;
using End = CommandResult::End;

// posix_spawn() and not fork(): page tables of gigabytes are not copied.
int spawn(const std::string& line, std::string_view name, pid_t& child) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  std::string own = "SALUT_NAME=" + std::string(name);
  std::vector<char*> environment = {own.data()};
  for (char** each = environ; *each != nullptr; ++each) {
    if (std::strncmp(*each, "SALUT_NAME=", 11) != 0) environment.push_back(*each);
  }
  environment.push_back(nullptr);
  std::string shell = "sh", flag = "-c", text = line;
  char* const arguments[] = {shell.data(), flag.data(), text.data(), nullptr};
  const int wrong =
      posix_spawn(&child, "/bin/sh", &actions, &attributes, arguments, environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return wrong;
}

// While it lives, the kernel keeps the exit status of a child for waitpid(). It does not where
// SIGCHLD is ignored, and a process inherits that.
class KeepExitStatus {
 public:
  KeepExitStatus() {
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &action, &before_);
  }
  ~KeepExitStatus() { sigaction(SIGCHLD, &before_, nullptr); }
  KeepExitStatus(const KeepExitStatus&) = delete;
  KeepExitStatus& operator=(const KeepExitStatus&) = delete;

 private:
  struct sigaction before_ = {};
};

}  // namespace

std::string CommandResult::text() const {
  switch (end) {
    case End::exited:
      return fmt::format("exit status {} after {:.2f} s", code, seconds);
    case End::lost:
      return fmt::format("exit status unknown after {:.2f} s: {}", seconds, std::strerror(code));
    case End::signalled:
      return fmt::format("ended by signal {} after {:.2f} s", code, seconds);
    case End::timed_out:
      return fmt::format("killed after {:.2f} s (announce.timeout_s)", seconds);
    case End::cancelled:
      return fmt::format("killed after {:.2f} s, for we stop", seconds);
    case End::not_started:
      return fmt::format("not started: {}", std::strerror(code));
  }
  return "";
}

CommandResult run_command(const std::string& line, Duration timeout, std::string_view name,
                          const std::function<bool()>& cancelled) {
  const Clock::time_point start = Clock::now();
  const KeepExitStatus keep;
  CommandResult result;
  pid_t child = 0;
  result.code = spawn(line, name, child);
  if (result.code != 0) return result;
  int status = 0;
  result.end = End::exited;
  // Short at first: most are done in a few milliseconds.
  auto nap = std::chrono::microseconds{200};
  pid_t ended = 0;
  while ((ended = waitpid(child, &status, WNOHANG)) == 0) {
    const bool late = Clock::now() - start >= timeout;
    if (late || cancelled()) {
      result.end = late ? End::timed_out : End::cancelled;
      kill(-child, SIGKILL);
      waitpid(child, &status, 0);
      break;
    }
    io::sleep_for(nap);
    nap = std::min(nap * 2, std::chrono::microseconds{10'000});
  }
  const int why = errno;  // of waitpid()
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (result.end != End::exited) return result;
  if (ended < 0) {
    result.end = End::lost;
    result.code = why;
    return result;
  }
  if (WIFSIGNALED(status)) result.end = End::signalled;
  result.code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  return result;
}

}  // namespace salut::service
