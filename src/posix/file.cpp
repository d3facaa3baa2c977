#include "posix/file.hpp"

#include <algorithm>

namespace salut::posix {

Pipe::Pipe(std::shared_ptr<Shared> shared, bool writer)
    : shared_(std::move(shared)), writer_(writer) {
  shared_->ends[writer ? 1 : 0] = this;
}

void Pipe::notify() const {
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

Result Pipe::peek(std::size_t offset, Bytes& run) {
  if (writer_) return -EBADF;
  const auto& bytes = shared_->bytes;
  if (offset >= bytes.size()) return shared_->ends[1] == nullptr ? 0 : -EAGAIN;
  run = Bytes(bytes).subspan(offset);
  return static_cast<Result>(run.size());
}

void Pipe::consume(std::size_t count) {
  auto& bytes = shared_->bytes;
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
  notify();
}

Result Pipe::write(Bytes from) {
  if (!writer_) return -EBADF;
  if (shared_->ends[0] == nullptr) return -EPIPE;
  auto& bytes = shared_->bytes;
  const std::size_t n = std::min(from.size(), capacity - bytes.size());
  if (n == 0 && !from.empty()) return -EAGAIN;
  bytes.insert(bytes.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(n));
  notify();
  return static_cast<Result>(n);
}

void Pipe::close() {
  shared_->ends[writer_ ? 1 : 0] = nullptr;
  notify();
}

}  // namespace salut::posix
