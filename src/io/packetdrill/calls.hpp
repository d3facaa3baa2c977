// The system calls of a script: descriptors, and who waits for what.
//
// Every call takes the machine's lock, lets the engine have its turns, and answers with a count or
// -errno. A call that would block waits here, once for all kinds: read, write, accept, connect,
// poll and epoll_wait differ in what they wait for and in nothing else.
#pragma once

#include <fcntl.h>

#include <map>
#include <memory>

#include "io/packetdrill/machine.hpp"
#include "io/packetdrill/socket.hpp"

namespace salut::packetdrill {

class Calls {
 public:
  explicit Calls(const Flags& flags);
  ~Calls();

  Result socket(int domain, int type, int protocol);
  Result bind(int fd, const sockaddr* address, socklen_t length);
  Result listen(int fd, int backlog);
  Result accept(int fd, sockaddr* address, socklen_t* length);
  Result connect(int fd, const sockaddr* address, socklen_t length);
  Result receive(int fd, const iovec* to, int count, int flags, bool is_socket);
  Result send(int fd, const iovec* from, int count, int flags, bool is_socket);
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
  Result pipe(int fds[2]);
  Result splice(int in, int out, std::size_t count, unsigned flags);

  Result inject(std::span<const std::byte> packet);
  // 0 with *length 0: nothing came.
  Result next_packet(void* to, std::size_t* length, long long* time_us);
  Result usleep(std::uint64_t us);
  Result gettimeofday(timeval* now);

  // Of the exported getsockopt: is this descriptor ours?
  bool knows(int fd);

 private:
  using Lock = Machine::Lock;

  Result add(std::shared_ptr<File> file);
  std::shared_ptr<File> find(int fd) const;
  std::shared_ptr<Socket> find_socket(int fd, Result& error) const;
  Instant deadline(int timeout_ms) const;
  Instant deadline(Duration timeout) const;
  // One transfer that waits for `bits` as often as it has to; `some`: a part of it is enough.
  template <class Try>
  Result until(Lock& lock, const std::shared_ptr<File>& file, unsigned bits, Instant deadline,
               bool wait, Try&& attempt);
  void dispatch(const Event& event);

  Machine machine_;
  std::map<int, std::shared_ptr<File>> files_;
  std::map<Connection, std::weak_ptr<Socket>> connections_;
};

}  // namespace salut::packetdrill
