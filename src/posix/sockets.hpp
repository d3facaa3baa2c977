// The calls of sockets(7) over an engine: descriptors, and who waits for what.
//
// Every call takes the EngineLoop's lock, lets the engine run, and answers with a count or -errno.
// Most calls that would block wait in retry(): read, write, accept and epoll_wait differ in what
// they wait for and in nothing else.
//
// A descriptor is one of the kernel's (an eventfd that nobody uses), so that no file of the process
// can have the same number.
//
//   Sockets sockets(loop);   // an EngineLoop
//   const Result fd = sockets.socket(AF_INET, SOCK_STREAM, 0);
//   if (fd < 0) errno = static_cast<int>(-fd);
//
// Pointers come from the caller and are not trusted (user_memory.hpp): a bad one is -EFAULT.
//
// Threads: any.
#pragma once

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include <functional>
#include <map>
#include <memory>
#include <span>

#include "posix/engine_loop.hpp"
#include "posix/socket.hpp"

namespace salut::posix {

class Epoll;

// Copies an address from the caller's memory. 0 or -errno.
Result load_address(const sockaddr* user, socklen_t length, sockaddr_storage& to);

class Sockets {
 public:
  explicit Sockets(EngineLoop& loop);
  ~Sockets();
  Sockets(const Sockets&) = delete;

  Result socket(int domain, int type, int protocol);
  Result bind(int fd, const sockaddr* address, socklen_t length);
  Result listen(int fd, int backlog);
  Result accept(int fd, sockaddr* address, socklen_t* length);
  Result connect(int fd, const sockaddr* address, socklen_t length);
  Result read(int fd, void* to, std::size_t count);
  Result readv(int fd, const iovec* to, int count);
  Result recv(int fd, void* to, std::size_t count, int flags);
  Result recvfrom(int fd, void* to, std::size_t count, int flags, sockaddr* address,
                  socklen_t* length);
  Result recvmsg(int fd, msghdr* message, int flags);
  Result write(int fd, const void* from, std::size_t count);
  Result writev(int fd, const iovec* from, int count);
  Result send(int fd, const void* from, std::size_t count, int flags);
  Result sendto(int fd, const void* from, std::size_t count, int flags, const sockaddr* address,
                socklen_t length);
  Result sendmsg(int fd, const msghdr* message, int flags);
  Result fcntl(int fd, int command, long argument);
  Result ioctl(int fd, unsigned long request, int* value);
  Result close(int fd);
  Result shutdown(int fd, int how);
  Result getsockopt(int fd, int level, int name, void* value, socklen_t* length);
  Result setsockopt(int fd, int level, int name, const void* value, socklen_t length);
  Result poll(pollfd* fds, nfds_t count, int timeout_ms);
  Result epoll_create();
  Result epoll_ctl(int epoll, int operation, int fd, epoll_event* event);
  Result epoll_wait(int epoll, epoll_event* events, int count, int timeout_ms);
  Result pipe(int* fds);  // two of them
  Result splice(int in, loff_t* in_offset, int out, loff_t* out_offset, std::size_t count,
                unsigned flags);

  // Is this descriptor one of ours?
  bool knows(int fd);

 private:
  using Lock = EngineLoop::Lock;

  Result add(std::shared_ptr<File> file);
  void forget(int fd);  // the descriptor is free for another file
  std::shared_ptr<File> find(int fd) const;
  std::shared_ptr<Socket> find_socket(int fd, Result& error) const;
  Instant deadline_after(int timeout_ms) const;    // below 0: never
  Instant deadline_after(Duration timeout) const;  // 0: never
  // Calls `attempt` until it says something other than -EAGAIN; in between it waits, if `wait`, for
  // one of the poll() bits `bits` of `file`. -EAGAIN once the deadline has passed.
  Result retry(Lock& lock, const std::shared_ptr<File>& file, unsigned bits, Instant deadline,
               bool wait, const std::function<Result()>& attempt);
  // All forms of read and write. `iov_base` of the vectors is the caller's memory.
  Result receive(int fd, std::span<const iovec> to, int flags, bool is_socket);
  Result send_all(int fd, std::span<const iovec> from, int flags, bool is_socket);
  void dispatch(const Event& event);
  // May `outer` watch `inner`? Not if that closes a loop or makes a chain of more than five sets:
  // ready() asks those below, and would never end.
  bool may_nest(const std::shared_ptr<Epoll>& outer, const std::shared_ptr<Epoll>& inner) const;

  EngineLoop& loop_;
  std::map<int, std::shared_ptr<File>> files_;
  std::map<Connection, std::weak_ptr<Socket>> connections_;
};

}  // namespace salut::posix
