#include "host/instance_lock.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "host/run_directory.hpp"

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
                                        " runs under this name; want another (--name, or "
                                        "name in the configuration)");
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

// What somebody else could have put there: it is refused, and nothing is written into it.
TEST(InstanceLock, pipes_links_and_files_with_a_second_name_are_refused) {
  const std::string name = unique_name("trap");
  const std::string path = instance_path(name, "lock");
  const std::string other = instance_path(name, "precious");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  auto lock = InstanceLock::take(name);
  ASSERT_FALSE(lock);
  EXPECT_NE(lock.error().message.find("not a file of this user's alone"), std::string::npos);
  EXPECT_FALSE(InstanceLock::ask(name, Sysfs{}));
  unlink(path.c_str());

  const int fd = open(other.c_str(), O_CREAT | O_RDWR, 0600);
  ASSERT_EQ(write(fd, "precious", 8), 8);
  ASSERT_EQ(link(other.c_str(), path.c_str()), 0);
  EXPECT_FALSE(InstanceLock::take(name));
  unlink(path.c_str());
  ASSERT_EQ(symlink(other.c_str(), path.c_str()), 0);
  EXPECT_FALSE(InstanceLock::take(name));
  unlink(path.c_str());
  struct stat status = {};
  ASSERT_EQ(fstat(fd, &status), 0);
  EXPECT_EQ(status.st_size, 8);
  close(fd);
  unlink(other.c_str());
}

// The files of the dead go, with DPDK's directory of that name; what another program could be
// using, and what lives, stays.
TEST(DeadInstances, only_what_is_provably_theirs_is_removed) {
  const std::string dead = unique_name("dead");
  const std::string alive = unique_name("alive");
  const std::string foreign = unique_name("foreign");
  char pattern[] = "/tmp/salut-dpdk-XXXXXX";
  const std::string dpdk = mkdtemp(pattern);
  for (const std::string& name : {dead, alive, foreign}) mkdir((dpdk + "/" + name).c_str(), 0700);
  close(open((dpdk + "/" + foreign + "/config").c_str(), O_CREAT | O_RDWR, 0600));
  for (const std::string& name : {dead, foreign}) {
    const int fd = open(instance_path(name, "lock").c_str(), O_CREAT | O_RDWR, 0644);
    ASSERT_EQ(write(fd, "4711\n", 5), 5);
    close(fd);
  }
  const std::string notes = instance_path(unique_name("notes"), "lock");
  const int fd = open(notes.c_str(), O_CREAT | O_RDWR, 0644);
  ASSERT_EQ(write(fd, "shopping list", 13), 13);
  close(fd);
  const auto lock = InstanceLock::take(alive);
  ASSERT_TRUE(lock);

  clear_dead_instances(dpdk);

  const auto there = [](const std::string& path) { return access(path.c_str(), F_OK) == 0; };
  EXPECT_FALSE(there(instance_path(dead, "lock")));
  EXPECT_FALSE(there(dpdk + "/" + dead));
  EXPECT_TRUE(there(instance_path(alive, "lock")));
  EXPECT_TRUE(there(dpdk + "/" + alive));
  EXPECT_TRUE(there(dpdk + "/" + foreign + "/config"));
  EXPECT_TRUE(there(notes));
  unlink(notes.c_str());
  std::filesystem::remove_all(dpdk);
}

}  // namespace
}  // namespace salut
