#include "io/device_signals.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "io/sleep.hpp"

namespace salut::io {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

std::atomic<int> handled = 0;
std::atomic<pthread_t> handler_thread;

void driver_handler(int) {
  handler_thread = pthread_self();
  ++handled;
}

void install(int number) {
  struct sigaction action = {};
  action.sa_handler = driver_handler;
  action.sa_flags = SA_RESTART;
  sigaction(number, &action, nullptr);
}

bool blocked(int number) {
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return sigismember(&mask, number) == 1;
}

bool handled_soon(int times) {
  const auto until = Clock::now() + std::chrono::seconds{5};
  while (handled < times && Clock::now() < until) sleep_for(milliseconds{1});
  return handled >= times;
}

TEST(DeviceSignals, only_a_worker_takes_what_a_driver_has_sent) {
  const int its = SIGRTMIN + 1;
  handled = 0;
  {
    DeviceSignals signals;
    bool hidden = false;
    std::thread([&] { hidden = blocked(its) && blocked(SIGIO); }).join();
    EXPECT_TRUE(hidden) << "from threads that are made while DPDK starts";
    install(its);  // as the driver does
    signals.adopt();
    EXPECT_TRUE(blocked(its));
    EXPECT_TRUE(blocked(SIGIO));
    EXPECT_FALSE(blocked(SIGRTMIN + 2)) << "nobody's, and the application's to use";

    kill(getpid(), its);  // before a worker runs: it waits
    std::atomic<bool> done = false;
    pthread_t worker_thread{};
    std::thread worker([&] {
      worker_thread = pthread_self();
      signals.enter();
      while (!done) sleep_for(milliseconds{1});
      signals.leave();
      EXPECT_TRUE(blocked(its));
    });
    EXPECT_TRUE(handled_soon(1));
    EXPECT_EQ(handler_thread.load(), worker_thread);
    kill(getpid(), SIGIO);  // what the kernel sends when no more may be queued
    EXPECT_TRUE(handled_soon(2));
    done = true;
    worker.join();
    kill(getpid(), SIGIO);  // nobody takes it any more, and it ends nobody
    kill(getpid(), its);
  }
  EXPECT_EQ(handled, 2);
  EXPECT_FALSE(blocked(its));
  EXPECT_FALSE(blocked(SIGIO));
  struct sigaction sigio = {};
  sigaction(SIGIO, nullptr, &sigio);
  EXPECT_EQ(sigio.sa_handler, SIG_DFL);
  signal(its, SIG_DFL);
}

TEST(DeviceSignals, without_a_driver_nothing_changes) {
  {
    DeviceSignals signals;
    signals.adopt();
    signals.enter();
    EXPECT_FALSE(blocked(SIGRTMIN + 1));
    EXPECT_FALSE(blocked(SIGIO));
  }
  struct sigaction sigio = {};
  sigaction(SIGIO, nullptr, &sigio);
  EXPECT_EQ(sigio.sa_handler, SIG_DFL);
}

timer_t storm;
constexpr int storm_longest = 2'000;  // signals, and ms
std::atomic<int> stormed = 0;

void storm_handler(int) {
  if (++stormed == storm_longest) {
    const itimerspec never = {};
    timer_settime(storm, 0, &never, nullptr);
  }
}

// std::this_thread::sleep_for() does not end before the storm does: each new start adds the slack,
// which is made larger here, as the time between two signals is.
TEST(Sleep, ends_when_it_should_in_a_storm_of_signals) {
  struct sigaction action = {};
  action.sa_handler = storm_handler;
  action.sa_flags = SA_RESTART;
  sigaction(SIGRTMIN + 1, &action, nullptr);
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN + 1;
  ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &event, &storm), 0);
  prctl(PR_SET_TIMERSLACK, 10'000'000);  // ns
  itimerspec every_ms = {};
  every_ms.it_interval.tv_nsec = every_ms.it_value.tv_nsec = 1'000'000;
  timer_settime(storm, 0, &every_ms, nullptr);

  const auto begin = Clock::now();
  sleep_for(milliseconds{50});
  const auto took = Clock::now() - begin;
  timer_delete(storm);
  prctl(PR_SET_TIMERSLACK, 0);  // as it was
  signal(SIGRTMIN + 1, SIG_DFL);
  EXPECT_GE(took, milliseconds{50});
  EXPECT_LT(took, milliseconds{storm_longest});
}

}  // namespace
}  // namespace salut::io
