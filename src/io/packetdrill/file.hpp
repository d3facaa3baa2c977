// What a descriptor stands for: a socket, an end of a pipe, or a set of them to wait on.
//
// Results are as in the kernel: a count of 0 or more, or -errno. Nothing in a File ever waits:
// -EAGAIN says "not now", and calls.cpp, which knows whether the caller may block, waits until
// ready() shows one of the bits that `awaited` names and asks again.
//
// Threads: under the machine's lock.
#pragma once

#include <poll.h>
#include <sys/epoll.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace salut::packetdrill {

using Result = std::int64_t;
using Bytes = std::span<const std::byte>;
using Room = std::span<std::byte>;

class File {
 public:
  virtual ~File() = default;
  virtual unsigned ready() const = 0;  // POLLIN and its kind; POLLERR, POLLHUP are always told
  virtual Result read(Room /*to*/, bool /*peek*/) { return -EINVAL; }
  virtual Result write(Bytes /*from*/, bool /*more*/) { return -EINVAL; }
  virtual void close() {}

  bool nonblocking = false;
  std::uint64_t activity = 0;  // counts what made it ready again: edges for EPOLLET
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
  void stir() const;  // the other end may go on

  std::shared_ptr<Shared> shared_;
  bool writer_;
};

// Level-triggered, EPOLLET and EPOLLONESHOT.
class Epoll final : public File {
 public:
  unsigned ready() const override;
  Result control(int operation, int fd, std::weak_ptr<File> file, const epoll_event* event);
  Result collect(std::span<epoll_event> events);

 private:
  struct Watch {
    std::weak_ptr<File> file;
    epoll_event event = {};
    std::uint64_t told = 0;  // the file's activity when it was last reported, plus one
  };
  static unsigned due(const Watch& watch);
  std::map<int, Watch> watches_;
};

}  // namespace salut::packetdrill
