// How the thread of an lcore sleeps: until another thread wakes it, a descriptor is readable, a
// signal comes, or time is over.
//
// Threads: wake() any, in a signal handler too; the rest the one that sleeps. Cost: a system call
// for each; wake() is to be called only if somebody sleeps.
#pragma once

#include <poll.h>

#include <vector>

#include "salut/time.hpp"

namespace salut::io {

class Waiter {
 public:
  Waiter();
  ~Waiter();
  Waiter(const Waiter&) = delete;

  void watch(int fd) { watched_.push_back({.fd = fd, .events = POLLIN, .revents = 0}); }
  // Some descriptor can say nothing more, as that of a TAP which was deleted, and is watched no
  // longer: it would end every wait at once. Whoever reads behind it has to ask from time to time.
  bool lost() const { return lost_; }
  void wake() const noexcept;
  // At most `most`. May return early for no reason.
  void wait(Duration most);

 private:
  std::vector<pollfd> watched_;  // the first is the eventfd of wake()
  bool lost_ = false;
};

// Sleeps of this thread may be late by so much; the kernel's default of 50 us is fifty times what
// the shortest of ours lasts. Returns what it was.
Duration set_timer_slack(Duration slack);

}  // namespace salut::io
