// Waiting for several descriptors: poll and epoll.
#include <climits>
#include <set>
#include <vector>

#include "posix/epoll.hpp"
#include "posix/sockets.hpp"
#include "posix/user_memory.hpp"

namespace salut::posix {

Result Sockets::poll(pollfd* fds, nfds_t count, int timeout_ms) {
  constexpr nfds_t most = 1 << 20;  // the kernel's default limit of RLIMIT_NOFILE (nr_open)
  auto lock = loop_.enter();
  if (count > most) return -EINVAL;
  std::vector<pollfd> watched(count);
  if (count > 0 && !load_user(fds, watched[0], count)) return -EFAULT;
  const auto scan = [&] {
    Result ready = 0;
    for (pollfd& one : watched) {
      const auto file = find(one.fd);
      const auto wanted = static_cast<unsigned short>(one.events) | POLLERR | POLLHUP;
      const unsigned bits = one.fd < 0 ? 0 : file == nullptr ? POLLNVAL : file->ready() & wanted;
      one.revents = static_cast<short>(bits);
      if (bits != 0) ++ready;
    }
    return ready;
  };
  if (timeout_ms != 0) loop_.wait(lock, [&] { return scan() > 0; }, deadline_after(timeout_ms));
  const Result ready = scan();
  return count > 0 && !store_user(fds, watched[0], count) ? -EFAULT : ready;
}

namespace {

using Sets = std::set<std::shared_ptr<Epoll>>;

Sets below(const Sets& sets) {
  Sets all;
  for (const auto& set : sets) {
    for (auto& one : set->below()) all.insert(std::move(one));
  }
  return all;
}

}  // namespace

bool Sockets::may_nest(const std::shared_ptr<Epoll>& outer,
                       const std::shared_ptr<Epoll>& inner) const {
  constexpr int chain_max = 5;  // epoll_ctl(2), ELOOP
  int chain = 0;
  for (Sets level = {inner}; !level.empty(); level = below(level)) {
    if (level.contains(outer) || ++chain == chain_max) return false;
  }
  Sets all;
  for (const auto& [fd, file] : files_) {
    if (auto set = std::dynamic_pointer_cast<Epoll>(file)) all.insert(std::move(set));
  }
  // From `outer` up: each level watches one of the level before.
  for (Sets level = {outer}; !level.empty();) {
    if (++chain > chain_max) return false;
    Sets above;
    for (const auto& set : all) {
      for (const auto& one : set->below()) {
        if (level.contains(one)) above.insert(set);
      }
    }
    level = std::move(above);
  }
  return true;
}

Result Sockets::epoll_create() {
  const auto lock = loop_.enter();
  return add(std::make_shared<Epoll>());
}

Result Sockets::epoll_ctl(int epoll, int operation, int fd, epoll_event* user) {
  const auto lock = loop_.enter();
  epoll_event event = {};
  if (operation != EPOLL_CTL_DEL && !load_user(user, event)) return -EFAULT;
  const auto set = find(epoll);
  const auto file = find(fd);
  if (set == nullptr || file == nullptr) return -EBADF;
  const auto watching = std::dynamic_pointer_cast<Epoll>(set);
  if (watching == nullptr || set == file) return -EINVAL;
  const auto inner = std::dynamic_pointer_cast<Epoll>(file);
  if (operation == EPOLL_CTL_ADD && inner != nullptr && !may_nest(watching, inner)) return -ELOOP;
  return watching->control(operation, fd, file, event);
}

Result Sockets::epoll_wait(int epoll, epoll_event* events, int count, int timeout_ms) {
  auto lock = loop_.enter();
  const auto file = find(epoll);
  if (file == nullptr) return -EBADF;
  const auto set = std::dynamic_pointer_cast<Epoll>(file);
  if (set == nullptr || count <= 0 || count > INT_MAX / static_cast<int>(sizeof(epoll_event))) {
    return -EINVAL;
  }
  const Result n = retry(lock, set, POLLIN, deadline_after(timeout_ms), timeout_ms != 0,
                         [&] { return set->collect(events, static_cast<std::size_t>(count)); });
  return n == -EAGAIN ? 0 : n;
}

}  // namespace salut::posix
