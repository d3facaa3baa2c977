// Bytes through the calls: read and write in all their forms, splice.
//
// MSG_MORE and MSG_EOR say which bytes should share a segment; the sender decides that itself (RFC
// 9293 §3.7.4), so they change nothing that a peer may rely on. MSG_ZEROCOPY without SO_ZEROCOPY,
// which is refused, is ignored by Linux too.
#include <linux/tcp.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "posix/sockets.hpp"
#include "posix/user_memory.hpp"

namespace salut::posix {

namespace {

constexpr std::size_t vectors_most = 1024;    // IOV_MAX
constexpr std::size_t chunk_most = 16 << 20;  // bytes of one write that are copied at once

Result load_vectors(const iovec* user, std::size_t count, std::vector<iovec>& to) {
  to.resize(count);
  if (count > 0 && !load_user(user, to[0], count)) return -EFAULT;
  std::size_t left = std::numeric_limits<std::ptrdiff_t>::max();
  for (const iovec& one : to) {
    if (one.iov_len > left) return -EINVAL;
    left -= one.iov_len;
  }
  return 0;
}

// One attempt to fill the caller's `room` from `offset` bytes after the next one; takes them unless
// `keep`. MSG_TRUNC throws bytes away: `room` is not touched.
Result copy_out(File& file, const iovec& room, std::size_t offset, bool keep, bool throw_away) {
  std::size_t sum = 0;
  while (sum < room.iov_len) {
    Bytes run;
    const Result n = file.peek(offset + (keep ? sum : 0), run);
    if (n <= 0) return sum > 0 ? static_cast<Result>(sum) : n;
    const std::size_t want = std::min(run.size(), room.iov_len - sum);
    const std::size_t copied =
        throw_away ? want : copy_to_user(static_cast<char*>(room.iov_base) + sum, run.data(), want);
    if (!keep && copied > 0) file.consume(copied);
    sum += copied;
    if (copied < want) break;
  }
  return sum == 0 && room.iov_len > 0 ? -EFAULT : static_cast<Result>(sum);
}

}  // namespace

Result Sockets::receive(int fd, std::span<const iovec> to, int flags, bool is_socket) {
  auto lock = loop_.enter();
  const auto file = find(fd);
  if (file == nullptr) return -EBADF;
  const auto socket = std::dynamic_pointer_cast<Socket>(file);
  if (socket == nullptr && is_socket) return -ENOTSOCK;
  if ((flags & MSG_OOB) != 0) return -EINVAL;
  if ((flags & MSG_ERRQUEUE) != 0) return -EAGAIN;  // nothing is ever queued there
  const Instant limit =
      socket ? deadline_after(socket->options().receive_timeout) : EngineLoop::never;
  const bool wait = !file->nonblocking && (flags & MSG_DONTWAIT) == 0;
  const bool keep = (flags & MSG_PEEK) != 0;
  Result sum = 0;
  for (iovec room : to) {
    while (room.iov_len > 0) {
      const bool more = sum == 0 || (flags & MSG_WAITALL) != 0;
      const Result n =
          retry(lock, file, POLLIN | POLLRDHUP, limit, wait && more && !(keep && sum), [&] {
            return copy_out(*file, room, keep ? static_cast<std::size_t>(sum) : 0, keep,
                            (flags & MSG_TRUNC) != 0);
          });
      if (n <= 0) return sum > 0 ? sum : n;
      sum += n;
      room.iov_base = static_cast<char*>(room.iov_base) + n;
      room.iov_len -= static_cast<std::size_t>(n);
    }
  }
  return sum;
}

Result Sockets::read(int fd, void* to, std::size_t count) {
  const iovec one{to, count};
  return receive(fd, {&one, 1}, 0, false);
}

Result Sockets::readv(int fd, const iovec* to, int count) {
  if (count < 0 || static_cast<std::size_t>(count) > vectors_most) return -EINVAL;
  std::vector<iovec> vectors;
  const Result error = load_vectors(to, static_cast<std::size_t>(count), vectors);
  return error < 0 ? error : receive(fd, vectors, 0, false);
}

Result Sockets::recv(int fd, void* to, std::size_t count, int flags) {
  const iovec one{to, count};
  return receive(fd, {&one, 1}, flags, true);
}

Result Sockets::recvfrom(int fd, void* to, std::size_t count, int flags, sockaddr* address,
                         socklen_t* length) {
  const Result n = recv(fd, to, count, flags);
  const socklen_t none = 0;  // a connected socket names no one
  return n >= 0 && address != nullptr && !store_user(length, none) ? -EFAULT : n;
}

Result Sockets::recvmsg(int fd, msghdr* user, int flags) {
  msghdr message;
  if (!load_user(user, message)) return -EFAULT;
  if (message.msg_iovlen > vectors_most) return -EMSGSIZE;
  std::vector<iovec> vectors;
  const Result error = load_vectors(message.msg_iov, message.msg_iovlen, vectors);
  if (error < 0) return error;
  const Result n = receive(fd, vectors, flags, true);
  if (n < 0) return n;
  message.msg_namelen = 0;
  message.msg_controllen = 0;
  message.msg_flags = 0;
  return store_user(user, message) ? n : -EFAULT;
}

Result Sockets::send_all(int fd, std::span<const iovec> from, int flags, bool is_socket) {
  auto lock = loop_.enter();
  const auto file = find(fd);
  if (file == nullptr) return -EBADF;
  const auto socket = std::dynamic_pointer_cast<Socket>(file);
  if (socket == nullptr && is_socket) return -ENOTSOCK;
  if ((flags & (MSG_OOB | MSG_FASTOPEN)) != 0) return -EOPNOTSUPP;
  const Instant limit = socket ? deadline_after(socket->options().send_timeout) : EngineLoop::never;
  const bool wait = !file->nonblocking && (flags & MSG_DONTWAIT) == 0;
  Result sum = 0;
  std::size_t vector = 0;
  std::size_t offset = 0;  // in from[vector]
  bool fault = false;
  do {
    // The engine sees one write, as it would from writev: its last segment carries PSH.
    std::vector<std::byte> chunk;
    while (!fault && vector < from.size() && chunk.size() < chunk_most) {
      const iovec& one = from[vector];
      const std::size_t have = chunk.size();
      const std::size_t want = std::min(one.iov_len - offset, chunk_most - have);
      chunk.resize(have + want);
      const std::size_t copied = copy_from_user(
          chunk.data() + have, static_cast<const char*>(one.iov_base) + offset, want);
      chunk.resize(have + copied);
      fault = copied < want;
      offset += copied;
      if (offset == one.iov_len) ++vector, offset = 0;
    }
    Bytes left = chunk;
    do {
      const Result n = retry(lock, file, POLLOUT, limit, wait, [&] { return file->write(left); });
      if (n < 0) return sum > 0 ? sum : n;
      left = left.subspan(static_cast<std::size_t>(n));
      sum += n;
    } while (!left.empty());
  } while (!fault && vector < from.size());
  return fault && sum == 0 ? -EFAULT : sum;
}

Result Sockets::write(int fd, const void* from, std::size_t count) {
  const iovec one{const_cast<void*>(from), count};
  return send_all(fd, {&one, 1}, 0, false);
}

Result Sockets::writev(int fd, const iovec* from, int count) {
  if (count < 0 || static_cast<std::size_t>(count) > vectors_most) return -EINVAL;
  std::vector<iovec> vectors;
  const Result error = load_vectors(from, static_cast<std::size_t>(count), vectors);
  return error < 0 ? error : send_all(fd, vectors, 0, false);
}

Result Sockets::send(int fd, const void* from, std::size_t count, int flags) {
  const iovec one{const_cast<void*>(from), count};
  return send_all(fd, {&one, 1}, flags, true);
}

// The address is checked and not used: a connected socket has one.
Result Sockets::sendto(int fd, const void* from, std::size_t count, int flags,
                       const sockaddr* address, socklen_t length) {
  sockaddr_storage storage;
  if (address != nullptr) {
    const Result error = load_address(address, length, storage);
    if (error < 0) return error;
  }
  return send(fd, from, count, flags);
}

Result Sockets::sendmsg(int fd, const msghdr* user, int flags) {
  msghdr message;
  if (!load_user(user, message)) return -EFAULT;
  if (message.msg_iovlen > vectors_most) return -EMSGSIZE;
  if (message.msg_controllen != 0) return -EINVAL;  // no control message has an effect here
  std::vector<iovec> vectors;
  const Result error = load_vectors(message.msg_iov, message.msg_iovlen, vectors);
  return error < 0 ? error : send_all(fd, vectors, flags, true);
}

// What fits is copied: bytes leave `in` only once `out` has taken them.
Result Sockets::splice(int in, loff_t* in_offset, int out, loff_t* out_offset, std::size_t count,
                       unsigned flags) {
  constexpr unsigned nonblock = 2;  // SPLICE_F_NONBLOCK
  auto lock = loop_.enter();
  const auto from = find(in);
  const auto to = find(out);
  if (from == nullptr || to == nullptr) return -EBADF;
  if (in_offset != nullptr || out_offset != nullptr) return -ESPIPE;
  if (std::dynamic_pointer_cast<Pipe>(from) == nullptr &&
      std::dynamic_pointer_cast<Pipe>(to) == nullptr) {
    return -EINVAL;
  }
  // One piece under one hold of the lock: while this call slept, another could have taken what it
  // saw before.
  bool starved = false;
  const auto move = [&]() -> Result {
    std::vector<std::byte> bytes;
    for (;;) {
      Bytes run;
      const std::size_t most = std::min(count, Pipe::capacity) - bytes.size();
      const Result n = most == 0 ? 0 : from->peek(bytes.size(), run);
      if (n <= 0 && !bytes.empty()) break;
      starved = n == -EAGAIN;
      if (n <= 0) return n;
      run = run.first(std::min(run.size(), most));
      bytes.insert(bytes.end(), run.begin(), run.end());
    }
    const Result n = to->write(bytes);
    if (n > 0) from->consume(static_cast<std::size_t>(n));
    return n;
  };
  for (;;) {
    const Result n = move();
    loop_.run();
    const auto& late = starved ? from : to;
    if (n != -EAGAIN || (flags & nonblock) != 0 || late->nonblocking) return n;
    const unsigned bits = (starved ? POLLIN | POLLRDHUP : POLLOUT) | POLLERR | POLLHUP;
    const auto ready = [&] { return (late->ready() & bits) != 0; };
    if (!loop_.wait(lock, ready, EngineLoop::never)) return -EAGAIN;
  }
}

}  // namespace salut::posix
