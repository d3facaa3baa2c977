// The calls that need no engine: pipes, sets of epoll, and events after the end.
#include "posix/sockets.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace salut::posix {
namespace {

class Loop final : public EngineLoop {
 public:
  Lock enter() override { return Lock(mutex_); }
  stack::Engine& engine() override { throw std::logic_error("there is no engine"); }
  const StackConfig& config() const override { return config_; }
  Instant now() const override { return Instant{}; }
  IpAddress source_for(const IpAddress&) const override { return {}; }
  void run() override {}
  // What another thread does while this one sleeps.
  bool wait(Lock& lock, const std::function<bool()>& ready, Instant) override {
    lock.unlock();
    meanwhile();
    lock.lock();
    return ready();
  }

  std::function<void()> meanwhile = [] {};

 private:
  std::mutex mutex_;
  StackConfig config_;
};

class SocketsTest : public ::testing::Test {
 protected:
  struct Ends {
    int fds[2] = {-1, -1};
    int reader() const { return fds[0]; }
    int writer() const { return fds[1]; }
  };

  Ends pipe() {
    Ends ends;
    EXPECT_EQ(sockets->pipe(ends.fds), 0);
    return ends;
  }
  void write(int fd, const std::string& text) {
    EXPECT_EQ(sockets->write(fd, text.data(), text.size()), static_cast<Result>(text.size()));
  }
  std::string read(int fd, std::size_t most) {
    std::string text(most, '\0');
    const Result n = sockets->read(fd, text.data(), most);
    return n < 0 ? "error" : text.substr(0, static_cast<std::size_t>(n));
  }
  int set() { return static_cast<int>(sockets->epoll_create()); }
  Result watch(int set, int fd) {
    epoll_event event = {};
    event.events = EPOLLIN;
    return sockets->epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
  }

  Loop loop;
  std::optional<Sockets> sockets{std::in_place, loop};
};

// The bytes that splice() saw before it slept may be another reader's when it wakes.
TEST_F(SocketsTest, splice_moves_what_is_there_when_it_wakes) {
  const Ends from = pipe();
  const Ends to = pipe();
  write(from.writer(), "abcdefghijkl");
  write(to.writer(), std::string(Pipe::capacity, '.'));
  loop.meanwhile = [&] {
    EXPECT_EQ(read(from.reader(), 4), "abcd");
    read(to.reader(), Pipe::capacity);
  };
  EXPECT_EQ(sockets->splice(from.reader(), nullptr, to.writer(), nullptr, 6, 0), 6);
  EXPECT_EQ(read(to.reader(), 100), "efghij");
  EXPECT_EQ(read(from.reader(), 100), "kl");
}

TEST_F(SocketsTest, splice_waits_for_either_side) {
  const Ends from = pipe();
  const Ends to = pipe();
  loop.meanwhile = [&] { write(from.writer(), "late"); };
  EXPECT_EQ(sockets->splice(from.reader(), nullptr, to.writer(), nullptr, 100, 0), 4);
  EXPECT_EQ(read(to.reader(), 100), "late");
  EXPECT_EQ(sockets->splice(from.reader(), nullptr, to.writer(), nullptr, 100, SPLICE_F_NONBLOCK),
            -EAGAIN);
  EXPECT_EQ(sockets->close(from.writer()), 0);
  EXPECT_EQ(sockets->splice(from.reader(), nullptr, to.writer(), nullptr, 100, 0), 0);
}

// To ask such a set whether it is ready would never end.
TEST_F(SocketsTest, sets_that_watch_each_other_are_eloop) {
  const int a = set();
  const int b = set();
  const int c = set();
  EXPECT_EQ(watch(a, a), -EINVAL);
  EXPECT_EQ(watch(a, b), 0);
  EXPECT_EQ(watch(b, c), 0);
  EXPECT_EQ(watch(b, a), -ELOOP);
  EXPECT_EQ(watch(c, a), -ELOOP);
  EXPECT_EQ(watch(a, c), 0) << "twice below another is no loop";
  epoll_event event = {};
  EXPECT_EQ(sockets->epoll_wait(a, &event, 1, 0), 0);
}

// epoll_ctl(2): at most five of them, whichever end of the chain grows.
TEST_F(SocketsTest, sets_nested_too_deep_are_eloop) {
  std::vector<int> down = {set()};
  std::vector<int> up = {set()};
  for (int i = 1; i < 5; ++i) {
    down.push_back(set());
    EXPECT_EQ(watch(down[down.size() - 2], down.back()), 0);
    up.push_back(set());
    EXPECT_EQ(watch(up.back(), up[up.size() - 2]), 0);
  }
  EXPECT_EQ(watch(down.back(), set()), -ELOOP);
  EXPECT_EQ(watch(set(), up.back()), -ELOOP);
  EXPECT_EQ(watch(down[2], up[2]), -ELOOP) << "three above and three below";
  EXPECT_EQ(watch(down[1], up[1]), 0);
  const Ends ends = pipe();
  EXPECT_EQ(watch(down.back(), ends.reader()), 0);
  write(ends.writer(), "x");
  epoll_event event = {};
  EXPECT_EQ(sockets->epoll_wait(down.front(), &event, 1, 0), 1);
}

TEST_F(SocketsTest, events_after_the_end_reach_nobody) {
  sockets.reset();
  Event event;
  event.what = Event::accepted;
  EXPECT_NO_THROW(loop.on_event(event));
}

}  // namespace
}  // namespace salut::posix
