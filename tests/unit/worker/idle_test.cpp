// poll(max_wait) and workers.idle: how long an idle worker sleeps, and what ends it. Sleeps are
// real; what is asked is that they are not too short, and that a limit of an hour never comes:
// where what should end a sleep does not, a timer of 20 s does, and its event gives it away.
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "lone_stack.hpp"

namespace salut::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
constexpr Duration hour = 1h;

// A queue whose interrupt the test raises.
class FakeInterrupt final : public io::Interrupt {
 public:
  FakeInterrupt() : fd_(eventfd(0, EFD_NONBLOCK)) {}
  ~FakeInterrupt() override { close(fd_); }
  int fd() const override { return fd_; }
  bool arm() override {
    ++armed;
    if (on_arm) on_arm();
    return !frame_waits;
  }
  void disarm() override {
    ++disarmed;
    eventfd_t count = 0;
    eventfd_read(fd_, &count);
  }
  void raise() { eventfd_write(fd_, 1); }
  bool broken() const override { return gone; }
  // Like the descriptor of a TAP that was deleted: ready for ever, and never readable.
  void hang_up() {
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    dup2(pair[0], fd_);
    close(pair[0]);
    close(pair[1]);
  }

  int armed = 0;
  int disarmed = 0;
  bool frame_waits = false;
  bool gone = false;
  std::function<void()> on_arm;

 private:
  int fd_;
};

class IdleTest : public LoneStack {
 protected:
  void start_with(Idle idle, bool interrupts = false) {
    WorkerOptions options;
    options.idle = idle;
    if (interrupts) options.interrupts = {&interrupt_};
    start(options);
  }
  std::uint64_t turns() const { return stack_->loop_stats().turns; }
  // Sleeps last until something ends them, not 10 ms.
  void start_to_sleep_long() {
    WorkerOptions options;
    options.idle = Idle::sleep;
    options.interrupts = {&interrupt_};
    options.sleep_most = hour;
    start(options);
    ASSERT_TRUE(stack().set_timer(20s, 1));
    stack().poll(Duration{0});
  }
  // What an hour is ended by, from another thread while this one sleeps: after 20 ms it is in the
  // system call, or soon will be.
  template <class Call>
  void expect_ended_by(Call call, Duration after = 20ms) {
    ASSERT_TRUE(stack().set_timer(20s, 1));
    std::atomic<bool> sleeps = false;
    interrupt_.on_arm = [&] { sleeps = true; };
    std::atomic<bool> called = false;
    std::thread other([&] {
      while (!sleeps) std::this_thread::yield();
      std::this_thread::sleep_for(after);
      call();
      called = true;
    });
    EXPECT_TRUE(stack().poll(hour).empty()) << "nothing but the timer ended it";
    while (!called) stack().poll(Duration{0});
    other.join();
    interrupt_.on_arm = nullptr;
  }

  FakeInterrupt interrupt_;
};

// A loop that does not sleep turns a hundred thousand times in this.
TEST_F(IdleTest, wait_without_interrupts_looks_again_every_100_us_at_most) {
  start_with(Idle::spin);
  const Clock::time_point begin = Clock::now();
  EXPECT_TRUE(stack().poll(200ms).empty());
  EXPECT_GE(Clock::now() - begin, 100ms);  // the stack's own clock is near enough the system's
  EXPECT_GE(turns(), 3u);
  EXPECT_LT(turns(), 6'000u);
}

TEST_F(IdleTest, wait_with_interrupts_looks_again_every_10_ms) {
  start_with(Idle::sleep, true);
  EXPECT_TRUE(stack().poll(200ms).empty());
  EXPECT_LT(turns(), 60u);
  EXPECT_GE(interrupt_.armed, 3);
  EXPECT_EQ(interrupt_.armed, interrupt_.disarmed);
}

// What ended each sleep at once took the whole core, for as long as the process ran.
TEST_F(IdleTest, device_that_is_gone_is_looked_at_every_100_us_at_most) {
  for (const bool hangs_up : {true, false}) {
    start_with(Idle::sleep, true);
    interrupt_.gone = !hangs_up;
    if (hangs_up) interrupt_.hang_up();
    EXPECT_TRUE(stack().poll(200ms).empty());
    EXPECT_LT(turns(), 6'000u);
    stack_.reset();
  }
}

// Nothing says that a frame is there.
TEST_F(IdleTest, device_that_is_gone_is_looked_at_unasked) {
  for (const bool hangs_up : {true, false}) {
    start_to_sleep_long();
    interrupt_.gone = !hangs_up;
    if (hangs_up) interrupt_.hang_up();
    unsigned looks = 0;
    std::function<void()> look = [&] {
      if (++looks == 50) return stack().drain();
      nowhere_.on_receive = look;
    };
    nowhere_.on_receive = look;
    EXPECT_TRUE(stack().poll(hour).empty()) << "after " << looks << " looks";
    EXPECT_EQ(looks, 50u);
    stack_.reset();
  }
}

TEST_F(IdleTest, not_above_0_is_one_turn_without_a_rest) {
  start_with(Idle::sleep, true);
  for (const Duration none : {Duration{0}, Duration{-1}, Duration::min()}) {
    EXPECT_TRUE(stack().poll(none).empty());
  }
  EXPECT_EQ(turns(), 2u);  // the third is not over
  EXPECT_EQ(interrupt_.armed, 0);
}

TEST_F(IdleTest, longest_wait_there_is_ends_like_any) {
  start_with(Idle::spin);
  ASSERT_TRUE(stack().set_timer(5ms, 1));
  EXPECT_EQ(stack().poll(Duration::max()).size(), 1u);
}

TEST_F(IdleTest, timer_ends_it_and_never_early) {
  for (const bool interrupts : {false, true}) {
    start_with(Idle::sleep, interrupts);
    for (const Duration after : {Duration{0}, Duration{300us}, Duration{2ms}, Duration{30ms}}) {
      const Instant begin = stack().now();
      ASSERT_TRUE(stack().set_timer(after, 5));
      const auto events = stack().poll(hour);
      ASSERT_EQ(events.size(), 1u);
      EXPECT_EQ(events[0].user, 5u);
      EXPECT_GE(stack().now() - begin, after);
    }
    stack_.reset();
  }
}

TEST_F(IdleTest, post_ends_it) {
  start_to_sleep_long();
  bool ran = false;
  expect_ended_by([&] { stack().post([&ran](Stack&) { ran = true; }); });
  EXPECT_TRUE(ran);
}

// One that comes in the turn that found nothing is seen before the sleep, which does not begin.
TEST_F(IdleTest, post_during_the_turn_is_not_slept_over) {
  start_to_sleep_long();
  bool ran = false;
  nowhere_.on_receive = [&] { stack().post([&ran](Stack&) { ran = true; }); };
  EXPECT_TRUE(stack().poll(hour).empty());
  EXPECT_TRUE(ran);
  EXPECT_EQ(interrupt_.armed, 0);
}

// One that comes after that, and before the thread sleeps, ends the sleep at once.
TEST_F(IdleTest, post_on_the_way_into_the_sleep_ends_it) {
  start_to_sleep_long();
  int ran = 0;
  interrupt_.on_arm = [&] { stack().post([&ran](Stack&) { ++ran; }); };
  for (int i = 1; i <= 50; ++i) {
    ASSERT_TRUE(stack().poll(hour).empty());
    EXPECT_EQ(ran, i);
  }
  EXPECT_EQ(interrupt_.armed, 50);
}

TEST_F(IdleTest, stop_and_drain_end_it_once) {
  start_to_sleep_long();
  expect_ended_by([&] { stack().drain(); });
  EXPECT_TRUE(stack().draining());
  expect_ended_by([&] {  // as Runtime::stop() does
    stop_.store(true);
    impl().wake();
  });
  EXPECT_TRUE(stack().stopping());
  // Whoever closes what is open waits for it as before.
  const int armed = interrupt_.armed;
  EXPECT_TRUE(stack().poll(50ms).empty());
  EXPECT_GT(interrupt_.armed, armed) << "it did not sleep";
}

TEST_F(IdleTest, finish_ends_it) {
  start_to_sleep_long();
  expect_ended_by([&] { stack().finish(hour); });
  EXPECT_TRUE(stack().draining());
}

// Before the thread calls poll(), and after it last asked stopping() or draining().
TEST_F(IdleTest, stop_or_drain_just_before_it_is_not_slept_over) {
  const std::function<void()> calls[] = {
      [&] {
        stop_.store(true);
      },  // as Runtime::stop() does before start(), and while nobody sleeps
      [&] { stack().drain(); },
      [&] { stack().finish(hour); },
  };
  for (const auto& call : calls) {
    stop_.store(false);
    start_with(Idle::sleep, true);
    ASSERT_TRUE(stack().set_timer(20s, 1));  // ends the test where the call does not
    stack().poll(Duration{0});
    const int armed = interrupt_.armed;
    call();
    EXPECT_TRUE(stack().poll(hour).empty());
    EXPECT_EQ(interrupt_.armed, armed) << "it slept";
    stack_.reset();
  }
}

// Who turns by poll() alone may ask later: what it saw is news for the first poll(max_wait).
TEST_F(IdleTest, stop_that_a_poll_saw_is_not_slept_over) {
  start_with(Idle::sleep, true);
  ASSERT_TRUE(stack().set_timer(20s, 1));
  stop_.store(true);
  stack().poll();
  const int armed = interrupt_.armed;
  EXPECT_TRUE(stack().poll(hour).empty());
  EXPECT_EQ(interrupt_.armed, armed) << "it slept";
}

// It runs in the turn after, not in the next that shows the figures to others, 10 ms later.
TEST_F(IdleTest, task_of_the_control_thread_ends_it) {
  for (const Duration after : {0ms, 20ms}) {
    start_to_sleep_long();
    bool ran = false;
    const auto call = [&] {
      impl().run([&] { ran = true; });
      stack().drain();
    };
    expect_ended_by(call, after);
    EXPECT_TRUE(ran);
    stack_.reset();
  }
}

TEST_F(IdleTest, interrupt_ends_a_sleep) {
  start_to_sleep_long();
  interrupt_.on_arm = [&] {
    nowhere_.on_receive = [&] { stack().drain(); };  // what the frame does
    interrupt_.raise();
  };
  EXPECT_TRUE(stack().poll(hour).empty()) << "nothing but the timer ended it";
  EXPECT_EQ(interrupt_.armed, 1);
  EXPECT_GE(interrupt_.disarmed, 1);
}

// A frame that came between the last look and the sleep raises no interrupt: no sleep.
TEST_F(IdleTest, frame_that_waits_already_is_not_slept_over) {
  start_with(Idle::sleep, true);
  interrupt_.frame_waits = true;
  stack().set_timer(300ms, 1);
  EXPECT_EQ(stack().poll(hour).size(), 1u);
  EXPECT_GT(turns(), 100u) << "each slept ten milliseconds";
  EXPECT_EQ(interrupt_.armed, interrupt_.disarmed);
}

TEST_F(IdleTest, poll_rests_as_configured) {
  for (const Idle idle : {Idle::spin, Idle::yield}) {
    start_with(idle);
    for (int i = 0; i < 50; ++i) stack().poll();
    EXPECT_EQ(stack().loop_stats().slept_cycles, 0u);
    stack_.reset();
  }
  start_with(Idle::sleep);
  for (int i = 0; i < 20; ++i) stack().poll();
  EXPECT_GT(stack().loop_stats().slept_cycles, 0u);
  EXPECT_EQ(turns(), 19u);
}

// Sleeping is no stall and no work.
TEST_F(IdleTest, slept_cycles_are_in_the_total_alone) {
  start_with(Idle::sleep, true);
  stack().poll(50ms);
  stack().poll(Duration{0});
  const LoopStats stats = stack().loop_stats();
  EXPECT_GT(stats.slept_cycles, 0u);
  EXPECT_LE(stats.slept_cycles, stats.total_cycles);
  EXPECT_EQ(stats.busy_turns, 0u);
  EXPECT_LT(stats.longest_turn_cycles, stats.total_cycles);
}

}  // namespace
}  // namespace salut::test
