// Bytes through the calls: read and write in all their forms, splice.
#include <algorithm>
#include <vector>

#include "posix/sockets.hpp"

namespace salut::posix {

Result Sockets::receive(int fd, const iovec* to, int count, int flags, bool is_socket) {
  auto lock = loop_.enter();
  const auto file = find(fd);
  if (file == nullptr) return -EBADF;
  const auto socket = std::dynamic_pointer_cast<Socket>(file);
  if (socket == nullptr && is_socket) return -ENOTSOCK;
  if ((flags & MSG_OOB) != 0) return -EINVAL;
  const Instant limit =
      socket ? deadline_after(socket->options().receive_timeout) : EngineLoop::never;
  const bool wait = !file->nonblocking && (flags & MSG_DONTWAIT) == 0;
  Result sum = 0;
  for (int i = 0; i < count; ++i) {
    Room room{static_cast<std::byte*>(to[i].iov_base), to[i].iov_len};
    while (!room.empty()) {
      const bool more = sum == 0 || (flags & MSG_WAITALL) != 0;
      const Result n = retry(lock, file, POLLIN | POLLRDHUP, limit, wait && more,
                             [&] { return file->read(room, (flags & MSG_PEEK) != 0); });
      if (n <= 0) return sum > 0 ? sum : n;
      sum += n;
      room = room.subspan(static_cast<std::size_t>(n));
      if ((flags & MSG_PEEK) != 0) return sum;
    }
  }
  return sum;
}

Result Sockets::send(int fd, const iovec* from, int count, int flags, bool is_socket) {
  auto lock = loop_.enter();
  const auto file = find(fd);
  if (file == nullptr) return -EBADF;
  const auto socket = std::dynamic_pointer_cast<Socket>(file);
  if (socket == nullptr && is_socket) return -ENOTSOCK;
  if ((flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  const Instant limit = socket ? deadline_after(socket->options().send_timeout) : EngineLoop::never;
  const bool wait = !file->nonblocking && (flags & MSG_DONTWAIT) == 0;
  // The engine sees one write, as it would from writev: its last segment carries PSH.
  std::vector<std::byte> joined;
  for (int i = 0; i < count; ++i) {
    const auto* bytes = static_cast<const std::byte*>(from[i].iov_base);
    joined.insert(joined.end(), bytes, bytes + from[i].iov_len);
  }
  Bytes left = joined;
  do {
    const Result n = retry(lock, file, POLLOUT, limit, wait,
                           [&] { return file->write(left, (flags & MSG_MORE) != 0); });
    const auto sum = static_cast<Result>(joined.size() - left.size());
    if (n < 0) return sum > 0 ? sum : n;
    left = left.subspan(static_cast<std::size_t>(n));
  } while (!left.empty());
  return static_cast<Result>(joined.size());
}

// What fits is copied: bytes leave `in` only once `out` has taken them.
Result Sockets::splice(int in, int out, std::size_t count, unsigned flags) {
  auto lock = loop_.enter();
  const auto from = find(in);
  const auto to = find(out);
  if (from == nullptr || to == nullptr) return -EBADF;
  if (std::dynamic_pointer_cast<Pipe>(from) == nullptr &&
      std::dynamic_pointer_cast<Pipe>(to) == nullptr) {
    return -EINVAL;
  }
  std::vector<std::byte> bytes(std::min(count, Pipe::capacity));
  const bool wait = (flags & 2 /* SPLICE_F_NONBLOCK */) == 0;
  const Result have = retry(lock, from, POLLIN | POLLRDHUP, EngineLoop::never,
                            wait && !from->nonblocking, [&] { return from->read(bytes, true); });
  if (have <= 0) return have;
  const Result n = retry(lock, to, POLLOUT, EngineLoop::never, wait && !to->nonblocking, [&] {
    return to->write(Bytes(bytes).first(static_cast<std::size_t>(have)), (flags & 4) != 0);
  });
  if (n > 0) from->read(Room(bytes).first(static_cast<std::size_t>(n)), false);
  loop_.run();
  return n;
}

}  // namespace salut::posix
