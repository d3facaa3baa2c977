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
#include <memory>
#include <span>
#include <vector>

namespace salut::posix {

using Result = std::int64_t;
using Bytes = std::span<const std::byte>;

class File {
 public:
  virtual ~File() = default;
  virtual unsigned ready() const = 0;  // POLLIN and its kind; POLLERR, POLLHUP are always reported
  // The unread bytes from `offset` on, as far as they are contiguous. Returns their number, or 0 at
  // the end of the stream. They stay unread until consume(); `run` is valid until the next call.
  virtual Result peek(std::size_t /*offset*/, Bytes& /*run*/) { return -EINVAL; }
  virtual void consume(std::size_t /*count*/) {}
  virtual Result write(Bytes /*from*/) { return -EINVAL; }
  virtual void close() {}

  bool nonblocking = false;
  std::uint64_t activity = 0;  // counts what made it ready again: the edges of EPOLLET
};

// Both ends share the bytes.
class Pipe final : public File {
 public:
  static constexpr std::size_t capacity = 65'536;
  struct Shared {
    std::vector<std::byte> bytes;
    Pipe* ends[2] = {};  // reader, writer; null once closed
  };
  Pipe(std::shared_ptr<Shared> shared, bool writer);
  unsigned ready() const override;
  Result peek(std::size_t offset, Bytes& run) override;
  void consume(std::size_t count) override;
  Result write(Bytes from) override;
  void close() override;

 private:
  void notify() const;  // wakes who waits for the other end

  std::shared_ptr<Shared> shared_;
  bool writer_;
};

}  // namespace salut::posix
