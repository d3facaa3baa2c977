// Waiting for several descriptors: poll and epoll.
#include "posix/epoll.hpp"
#include "posix/sockets.hpp"

namespace salut::posix {

Result Sockets::poll(pollfd* fds, nfds_t count, int timeout_ms) {
  auto lock = loop_.enter();
  const auto scan = [&] {
    Result ready = 0;
    for (nfds_t i = 0; i < count; ++i) {
      const auto file = find(fds[i].fd);
      const auto wanted = static_cast<unsigned short>(fds[i].events) | POLLERR | POLLHUP;
      const unsigned bits = fds[i].fd < 0 ? 0 : file == nullptr ? POLLNVAL : file->ready() & wanted;
      fds[i].revents = static_cast<short>(bits);
      if (bits != 0) ++ready;
    }
    return ready;
  };
  if (timeout_ms != 0) loop_.wait(lock, [&] { return scan() > 0; }, deadline_after(timeout_ms));
  return scan();
}

Result Sockets::epoll_create() {
  const auto lock = loop_.enter();
  return add(std::make_shared<Epoll>());
}

Result Sockets::epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
  const auto lock = loop_.enter();
  const auto set = find(epoll);
  const auto file = find(fd);
  if (set == nullptr || file == nullptr) return -EBADF;
  const auto watching = std::dynamic_pointer_cast<Epoll>(set);
  if (watching == nullptr || set == file) return -EINVAL;
  return watching->control(operation, fd, file, event);
}

Result Sockets::epoll_wait(int epoll, epoll_event* events, int count, int timeout_ms) {
  auto lock = loop_.enter();
  const auto file = find(epoll);
  if (file == nullptr) return -EBADF;
  const auto set = std::dynamic_pointer_cast<Epoll>(file);
  if (set == nullptr || count <= 0) return -EINVAL;
  const Result n = retry(lock, set, POLLIN, deadline_after(timeout_ms), timeout_ms != 0,
                         [&] { return set->collect({events, static_cast<std::size_t>(count)}); });
  return n == -EAGAIN ? 0 : n;
}

}  // namespace salut::posix
