// A command of the configuration, and how it ended.
#include "service/command.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <csignal>

namespace salut::service {
namespace {

using End = CommandResult::End;

CommandResult run(const std::string& line, Duration timeout = std::chrono::seconds{10}) {
  return run_command(line, timeout, "test", [] { return false; });
}

TEST(Command, says_how_it_ended) {
  EXPECT_TRUE(run("exit 0").ok());
  const CommandResult failed = run("exit 3");
  EXPECT_EQ(failed.end, End::exited);
  EXPECT_EQ(failed.code, 3);
  const CommandResult killed = run("kill -TERM $$");
  EXPECT_EQ(killed.end, End::signalled);
  EXPECT_EQ(killed.code, SIGTERM);
  EXPECT_EQ(run("sleep 30", std::chrono::milliseconds{20}).end, End::timed_out);
}

// Whoever started us may have ignored SIGCHLD, and that is inherited: the kernel then keeps no
// exit status, and a check that fails would count as one that succeeded.
TEST(Command, failure_is_seen_where_sigchld_was_ignored) {
  std::signal(SIGCHLD, SIG_IGN);
  const CommandResult failed = run("exit 3");
  EXPECT_EQ(failed.end, End::exited);
  EXPECT_EQ(failed.code, 3);
  EXPECT_FALSE(failed.ok());
  EXPECT_TRUE(run("exit 0").ok());
  struct sigaction after = {};
  sigaction(SIGCHLD, nullptr, &after);
  EXPECT_EQ(after.sa_handler, SIG_IGN) << "is as it was";
  std::signal(SIGCHLD, SIG_DFL);
}

}  // namespace
}  // namespace salut::service
