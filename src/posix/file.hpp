// What a descriptor stands for: a socket, an end of a pipe, or a set of them to wait on
// (epoll.hpp).
//
// Results are as in the kernel: a count of 0 or more, or -errno. Nothing in a File ever waits:
// -EAGAIN says "not now". Sockets knows whether the caller may block; it waits until ready() shows
// one of the bits that the call needs and tries again.
//
// Threads: under the EngineLoop's lock.
#pragma once

#include <poll.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>

namespace salut::posix {

using Result = std::int64_t;
using Bytes = std::span<const std::byte>;
using Room = std::span<std::byte>;

class File {
 public:
  virtual ~File() = default;
  virtual unsigned ready() const = 0;  // POLLIN and its kind; POLLERR, POLLHUP are always reported
  virtual Result read(Room /*to*/, bool /*peek*/) { return -EINVAL; }
  virtual Result write(Bytes /*from*/, bool /*more*/) { return -EINVAL; }
  virtual void close() {}

  bool nonblocking = false;
  std::uint64_t activity = 0;  // counts what made it ready again: the edges of EPOLLET
};

// Both ends share the bytes.
class Pipe final : public File {
 public:
  static constexpr std::size_t capacity = 65'536;
  struct Shared {
    std::deque<std::byte> bytes;
    Pipe* ends[2] = {};  // reader, writer; null once closed
  };
  Pipe(std::shared_ptr<Shared> shared, bool writer);
  unsigned ready() const override;
  Result read(Room to, bool peek) override;
  Result write(Bytes from, bool more) override;
  void close() override;

 private:
  void notify() const;  // the other end may go on

  std::shared_ptr<Shared> shared_;
  bool writer_;
};

}  // namespace salut::posix
