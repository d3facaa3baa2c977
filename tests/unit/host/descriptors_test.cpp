// Standard descriptors that a process began without.
#include "host/descriptors.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace salut {
namespace {

// What a process finds that began without those of `closed`: 0 if all is well.
int without(std::initializer_list<int> closed) {
  for (const int fd : closed) close(fd);
  occupy_standard_descriptors();
  if (open("/dev/null", O_RDWR | O_CLOEXEC) <= STDERR_FILENO) return 1;  // a lock file, say
  for (const int fd : closed) {
    char byte = 0;
    if (fd == STDIN_FILENO && read(fd, &byte, 1) != 0) return 2;
    if (fd != STDIN_FILENO && (write(fd, &byte, 1) != -1 || errno != EBADF)) return 3;
  }
  return 0;
}

int in_a_child(std::initializer_list<int> closed) {
  const pid_t child = fork();
  if (child == 0) _exit(without(closed));
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Descriptors, no_file_gets_the_number_of_a_closed_standard_one) {
  EXPECT_EQ(in_a_child({}), 0);
  EXPECT_EQ(in_a_child({0}), 0);
  EXPECT_EQ(in_a_child({1}), 0);
  EXPECT_EQ(in_a_child({2}), 0);
  EXPECT_EQ(in_a_child({1, 2}), 0);
  EXPECT_EQ(in_a_child({0, 1, 2}), 0);
}

}  // namespace
}  // namespace salut
