// How an lcore sleeps: what ends it, and that a device that is gone does not.
#include "io/waiter.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>

namespace salut::io {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

Clock::duration time_of_wait(Waiter& waiter, Duration most) {
  const Clock::time_point begin = Clock::now();
  waiter.wait(most);
  return Clock::now() - begin;
}

// With POLLHUP, as a card's or socket's; with POLLNVAL, as one that a driver has closed.
TEST(Waiter, descriptor_that_is_gone_ends_one_wait_at_most) {
  for (const bool closed : {false, true}) {
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    const auto waiter = std::make_unique<Waiter>();
    waiter->watch(pair[0]);
    EXPECT_GE(time_of_wait(*waiter, 20ms), 20ms);
    EXPECT_FALSE(waiter->lost());
    close(pair[1]);
    if (closed) close(pair[0]);
    waiter->wait(1h);
    EXPECT_TRUE(waiter->lost());
    EXPECT_GE(time_of_wait(*waiter, 20ms), 20ms);
    waiter->wake();
    waiter->wait(1h);
    EXPECT_GE(time_of_wait(*waiter, 20ms), 20ms);  // it is woken once
    if (!closed) close(pair[0]);
  }
}

TEST(Waiter, other_descriptors_end_it_still) {
  int gone[2], alive[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, gone), 0);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, alive), 0);
  Waiter waiter;
  waiter.watch(gone[0]);
  waiter.watch(alive[0]);
  close(gone[1]);
  waiter.wait(1h);
  EXPECT_GE(time_of_wait(waiter, 20ms), 20ms);
  ASSERT_EQ(write(alive[1], "x", 1), 1);
  waiter.wait(1h);
  for (const int fd : {gone[0], alive[0], alive[1]}) close(fd);
}

}  // namespace
}  // namespace salut::io
