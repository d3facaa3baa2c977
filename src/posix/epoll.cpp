#include "posix/epoll.hpp"

#include <utility>

#include "posix/user_memory.hpp"

namespace salut::posix {

unsigned Epoll::due(const Watch& watch) {
  const auto file = watch.file.lock();
  if (file == nullptr) return 0;
  const std::uint32_t wanted = watch.event.events;
  if ((wanted & EPOLLET) != 0 && watch.reported == file->activity + 1) return 0;
  // The bits of poll() and epoll are the same on Linux.
  const unsigned always = wanted == 0 ? 0 : POLLERR | POLLHUP;
  return file->ready() & ((wanted & 0xffff) | always);
}

unsigned Epoll::ready() const {
  for (const auto& [fd, watch] : watches_) {
    if (due(watch) != 0) return POLLIN | POLLRDNORM;
  }
  return 0;
}

Result Epoll::control(int operation, int fd, std::weak_ptr<File> file, const epoll_event& event) {
  const auto found = watches_.find(fd);
  const bool known = found != watches_.end() && !found->second.file.expired();
  if (operation == EPOLL_CTL_ADD && known) return -EEXIST;
  if (operation != EPOLL_CTL_ADD && !known) return -ENOENT;
  switch (operation) {
    case EPOLL_CTL_ADD:
    case EPOLL_CTL_MOD:
      watches_[fd] = Watch{std::move(file), event, 0};
      return 0;
    case EPOLL_CTL_DEL:
      watches_.erase(found);
      return 0;
    default:
      return -EINVAL;
  }
}

std::vector<std::shared_ptr<Epoll>> Epoll::below() const {
  std::vector<std::shared_ptr<Epoll>> sets;
  for (const auto& [fd, watch] : watches_) {
    if (auto set = std::dynamic_pointer_cast<Epoll>(watch.file.lock())) {
      sets.push_back(std::move(set));
    }
  }
  return sets;
}

Result Epoll::collect(epoll_event* events, std::size_t count) {
  std::size_t n = 0;
  for (auto& [fd, watch] : watches_) {
    const unsigned bits = due(watch);
    if (bits == 0) continue;
    if (n == count) break;
    epoll_event event = watch.event;
    event.events = bits;
    if (!store_user(events + n, event)) return n == 0 ? -EFAULT : static_cast<Result>(n);
    ++n;
    watch.reported = watch.file.lock()->activity + 1;
    if ((watch.event.events & EPOLLONESHOT) != 0) watch.event.events = 0;
  }
  return n == 0 ? -EAGAIN : static_cast<Result>(n);
}

}  // namespace salut::posix
