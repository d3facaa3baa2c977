#include "io/packetdrill/file.hpp"

#include <algorithm>

namespace salut::packetdrill {

Pipe::Pipe(std::shared_ptr<Shared> shared, bool writer)
    : shared_(std::move(shared)), writer_(writer) {
  shared_->ends[writer ? 1 : 0] = this;
}

void Pipe::stir() const {
  for (Pipe* end : shared_->ends) {
    if (end != nullptr) ++end->activity;
  }
}

unsigned Pipe::ready() const {
  if (writer_) {
    if (shared_->ends[0] == nullptr) return POLLERR | POLLOUT;
    return shared_->bytes.size() < capacity ? POLLOUT | POLLWRNORM : 0;
  }
  const unsigned hangup = shared_->ends[1] == nullptr ? POLLHUP : 0;
  return hangup | (shared_->bytes.empty() ? 0 : POLLIN | POLLRDNORM);
}

Result Pipe::read(Room to, bool peek) {
  if (writer_) return -EBADF;
  auto& bytes = shared_->bytes;
  if (bytes.empty()) return shared_->ends[1] == nullptr ? 0 : -EAGAIN;
  const auto n = static_cast<std::ptrdiff_t>(std::min(to.size(), bytes.size()));
  std::copy_n(bytes.begin(), n, to.begin());
  if (!peek) {
    bytes.erase(bytes.begin(), bytes.begin() + n);
    stir();
  }
  return n;
}

Result Pipe::write(Bytes from, bool /*more*/) {
  if (!writer_) return -EBADF;
  if (shared_->ends[0] == nullptr) return -EPIPE;
  auto& bytes = shared_->bytes;
  const std::size_t n = std::min(from.size(), capacity - bytes.size());
  if (n == 0 && !from.empty()) return -EAGAIN;
  bytes.insert(bytes.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(n));
  stir();
  return static_cast<Result>(n);
}

void Pipe::close() {
  shared_->ends[writer_ ? 1 : 0] = nullptr;
  stir();
}

unsigned Epoll::due(const Watch& watch) {
  const auto file = watch.file.lock();
  if (file == nullptr) return 0;
  const std::uint32_t wanted = watch.event.events;
  if ((wanted & EPOLLET) != 0 && watch.told == file->activity + 1) return 0;
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

Result Epoll::control(int operation, int fd, std::weak_ptr<File> file, const epoll_event* event) {
  const auto found = watches_.find(fd);
  const bool known = found != watches_.end() && !found->second.file.expired();
  if (operation == EPOLL_CTL_ADD && known) return -EEXIST;
  if (operation != EPOLL_CTL_ADD && !known) return -ENOENT;
  switch (operation) {
    case EPOLL_CTL_ADD:
    case EPOLL_CTL_MOD:
      if (event == nullptr) return -EFAULT;
      watches_[fd] = Watch{std::move(file), *event, 0};
      return 0;
    case EPOLL_CTL_DEL:
      watches_.erase(found);
      return 0;
    default:
      return -EINVAL;
  }
}

Result Epoll::collect(std::span<epoll_event> events) {
  std::size_t n = 0;
  for (auto& [fd, watch] : watches_) {
    const unsigned bits = due(watch);
    if (bits == 0 || n == events.size()) continue;
    events[n].events = bits;
    events[n].data = watch.event.data;
    ++n;
    watch.told = watch.file.lock()->activity + 1;
    if ((watch.event.events & EPOLLONESHOT) != 0) watch.event.events = 0;
  }
  return n == 0 ? -EAGAIN : static_cast<Result>(n);
}

}  // namespace salut::packetdrill
