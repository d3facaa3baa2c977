// Stack::post(): what other threads hand to a stack is run in order and in turns of a bounded size,
// or refused, or destroyed at the end, and never lost on the way.
#include <array>
#include <stdexcept>
#include <thread>
#include <vector>

#include "lone_stack.hpp"

namespace salut::test {
namespace {

class Post : public LoneStack {
 protected:
  Post() { start(); }
};

TEST_F(Post, runs_in_the_next_poll_on_this_thread_and_once) {
  std::vector<Stack*> ran;
  std::thread([&] {
    EXPECT_EQ(stack().post([&ran](Stack& on) { ran.push_back(&on); }), Errc::ok);
  }).join();
  EXPECT_TRUE(ran.empty());
  stack().poll();
  EXPECT_EQ(ran, std::vector<Stack*>{&stack()});
  stack().poll();
  EXPECT_EQ(ran.size(), 1u);
}

TEST_F(Post, in_order_and_at_most_64_in_a_poll) {
  std::vector<int> ran;
  for (int i = 0; i < 150; ++i) {
    ASSERT_EQ(stack().post([&ran, i](Stack&) { ran.push_back(i); }), Errc::ok);
  }
  for (const std::size_t sum : {64u, 128u, 150u, 150u}) {
    stack().poll();
    EXPECT_EQ(ran.size(), sum);
  }
  for (int i = 0; i < 150; ++i) EXPECT_EQ(ran[i], i);
}

// One that posts itself again does not keep the packets waiting.
TEST_F(Post, from_within_one_is_bounded_too) {
  int ran = 0;
  std::function<void(Stack&)> again = [&](Stack& on) {
    ++ran;
    on.post(again);
  };
  stack().post(again);
  stack().poll();
  EXPECT_EQ(ran, 64);
}

TEST_F(Post, full_queue_is_overload_until_the_next_poll) {
  std::size_t ran = 0;
  for (std::size_t i = 0; i < Stack::posts_max; ++i) {
    ASSERT_EQ(stack().post([&ran](Stack&) { ++ran; }), Errc::ok);
  }
  EXPECT_EQ(stack().post([&ran](Stack&) { ++ran; }), Errc::overload);
  stack().poll();
  EXPECT_EQ(stack().post([&ran](Stack&) { ++ran; }), Errc::ok);
  while (ran < Stack::posts_max + 1) stack().poll();
}

// What it does is done in the same turn: the timer that it sets is due there.
TEST_F(Post, before_the_protocol_and_with_its_own_now) {
  Instant then;
  stack().post([&then](Stack& on) {
    then = on.now();
    EXPECT_TRUE(on.set_timer(Duration{0}, 77));
  });
  std::this_thread::sleep_for(std::chrono::milliseconds{5});
  const auto events = stack().poll();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_TRUE(events[0].has(Event::timer));
  EXPECT_EQ(events[0].user, 77u);
  EXPECT_EQ(then, stack().now());
}

// A timer of 10 ms that is set 20 ms after the last poll() is not due yet: it counts from this one.
TEST_F(Post, counts_from_its_own_poll) {
  stack().poll();
  std::this_thread::sleep_for(std::chrono::milliseconds{20});
  stack().post([](Stack& on) { EXPECT_TRUE(on.set_timer(std::chrono::milliseconds{10}, 1)); });
  EXPECT_TRUE(stack().poll().empty());
}

TEST_F(Post, what_it_throws_comes_out_of_poll_and_the_next_still_run) {
  bool ran = false;
  stack().post([](Stack&) { throw std::runtime_error("mine"); });
  stack().post([&ran](Stack&) { ran = true; });
  EXPECT_THROW(stack().poll(), std::runtime_error);
  EXPECT_FALSE(ran);
  stack().poll();
  EXPECT_TRUE(ran);
}

TEST_F(Post, after_the_application_has_returned_none_runs_and_none_is_kept) {
  const auto captured = std::make_shared<int>(0);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(stack().post([captured](Stack&) { ++*captured; }), Errc::ok);
  }
  EXPECT_EQ(captured.use_count(), 101);
  impl().end_posts();
  EXPECT_EQ(captured.use_count(), 1);
  EXPECT_EQ(stack().post([captured](Stack&) { ++*captured; }), Errc::stopped);
  stack().poll();  // workers that share a port go on turning
  EXPECT_EQ(*captured, 0);
  EXPECT_EQ(captured.use_count(), 1);
}

TEST_F(Post, destroyed_with_a_stack_that_never_turned) {
  const auto captured = std::make_shared<int>(0);
  ASSERT_EQ(stack().post([captured](Stack&) { ++*captured; }), Errc::ok);
  stack_.reset();
  EXPECT_EQ(captured.use_count(), 1);
  EXPECT_EQ(*captured, 0);
}

TEST_F(Post, from_many_threads_each_in_its_order_and_all) {
  constexpr unsigned threads = 4;
  constexpr unsigned each = 5'000;
  std::array<unsigned, threads> next = {};
  std::vector<std::thread> posting;
  for (unsigned t = 0; t < threads; ++t) {
    posting.emplace_back([this, &next, t] {
      for (unsigned i = 0; i < each;) {
        const Errc posted = stack().post([&next, t, i](Stack&) {
          EXPECT_EQ(next[t], i);
          ++next[t];
        });
        if (posted == Errc::ok) {
          ++i;
        } else {
          std::this_thread::yield();
        }
      }
    });
  }
  const auto all = [&next] {
    unsigned sum = 0;
    for (const unsigned n : next) sum += n;
    return sum == threads * each;
  };
  while (!all()) stack().poll();
  for (std::thread& thread : posting) thread.join();
}

// Threads that post while the application returns: whatever they were told, nothing is left over.
TEST_F(Post, while_the_application_returns_nothing_is_leaked) {
  const auto captured = std::make_shared<std::atomic<int>>(0);
  std::atomic<int> accepted = 0;
  std::vector<std::thread> posting;
  for (int t = 0; t < 3; ++t) {
    posting.emplace_back([&, captured] {
      for (;;) {
        const Errc posted = stack().post([captured](Stack&) { ++*captured; });
        if (posted == Errc::stopped) return;
        if (posted == Errc::ok) ++accepted;
      }
    });
  }
  while (*captured < 500) stack().poll();
  impl().end_posts();
  for (std::thread& thread : posting) thread.join();
  posting.clear();
  EXPECT_LE(*captured, accepted);
  stack_.reset();
  EXPECT_EQ(captured.use_count(), 1);
}

}  // namespace
}  // namespace salut::test
