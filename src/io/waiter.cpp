#include "io/waiter.hpp"

#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace salut::io {

// Without a descriptor nobody is woken early: ppoll() skips what is below 0.
Waiter::Waiter() { watch(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

Waiter::~Waiter() {
  if (watched_.front().fd >= 0) close(watched_.front().fd);
}

void Waiter::wake() const noexcept {
  const int before = errno;
  const std::uint64_t one = 1;
  if (write(watched_.front().fd, &one, sizeof(one)) < 0) errno = before;  // full: it is awake
}

void Waiter::wait(Duration most) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(most);
  timespec timeout = {};
  timeout.tv_sec = static_cast<time_t>(whole.count());
  timeout.tv_nsec = static_cast<long>((most - whole).count());
  if (ppoll(watched_.data(), static_cast<nfds_t>(watched_.size()), &timeout, nullptr) <= 0) return;
  for (pollfd& one : watched_) {
    if ((one.revents & (POLLERR | POLLHUP | POLLNVAL)) == 0 || &one == &watched_.front()) continue;
    one.fd = -1;  // ppoll() skips it
    one.revents = 0;
    lost_ = true;
  }
  if (watched_.front().revents == 0) return;
  std::uint64_t woken = 0;
  while (read(watched_.front().fd, &woken, sizeof(woken)) < 0 && errno == EINTR) {
  }
}

Duration set_timer_slack(Duration slack) {
  const Duration before{prctl(PR_GET_TIMERSLACK)};
  prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(slack.count()), 0, 0, 0);
  return before;
}

}  // namespace salut::io
