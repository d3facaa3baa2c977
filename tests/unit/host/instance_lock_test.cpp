#include "host/instance_lock.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <string>

namespace salut {
namespace {

std::string unique_name(const std::string& what) {
  return "test-" + what + "-" + std::to_string(getpid());
}

TEST(InstanceLock, second_is_refused_and_told_who_has_it) {
  const std::string name = unique_name("second");
  const auto first = InstanceLock::take(name);
  ASSERT_TRUE(first) << first.error().message;
  const auto second = InstanceLock::take(name);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::in_use);
  EXPECT_EQ(second.error().message, "name = \"" + name + "\": process " + std::to_string(getpid()) +
                                        " runs under this name; want another");
}

TEST(InstanceLock, two_names_are_two_instances) {
  const auto one = InstanceLock::take(unique_name("one"));
  const auto two = InstanceLock::take(unique_name("two"));
  EXPECT_TRUE(one);
  EXPECT_TRUE(two);
}

TEST(InstanceLock, name_is_free_again_afterwards) {
  const std::string name = unique_name("again");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(InstanceLock::take(name));
}

TEST(InstanceLock, killed_owner_leaves_the_name_free) {
  const std::string name = unique_name("killed");
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = InstanceLock::take(name);
    const char said = lock ? 'y' : 'n';
    if (write(ready[1], &said, 1) != 1) _exit(1);
    for (;;) pause();
  }
  char said = 0;
  ASSERT_EQ(read(ready[0], &said, 1), 1);
  ASSERT_EQ(said, 'y');
  EXPECT_FALSE(InstanceLock::take(name));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(InstanceLock::take(name));
  close(ready[0]);
  close(ready[1]);
}

}  // namespace
}  // namespace salut
