// The exported functions: arguments of C into Calls, results into -1 and errno.

#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "io/packetdrill/calls.hpp"
#include "io/packetdrill/interface.hpp"

namespace salut::packetdrill {

namespace {

// The machine that runs now; for the exported getsockopt, which is given no userdata.
Calls* running = nullptr;

template <class T>
T finish(Result result) {
  if (result >= 0) return static_cast<T>(result);
  errno = static_cast<int>(-result);
  return static_cast<T>(-1);
}

// An adapter for each member whose arguments go through unchanged.
template <auto member>
struct Through;
template <class... Arguments, Result (Calls::*member)(Arguments...)>
struct Through<member> {
  static int call(void* calls, Arguments... arguments) {
    return finish<int>((static_cast<Calls*>(calls)->*member)(arguments...));
  }
};

Calls& of(void* userdata) { return *static_cast<Calls*>(userdata); }

ssize_t read_into(void* calls, int fd, void* to, size_t count, int flags, bool is_socket) {
  const iovec one{to, count};
  return finish<ssize_t>(of(calls).receive(fd, &one, 1, flags, is_socket));
}

ssize_t write_from(void* calls, int fd, const void* from, size_t count, int flags, bool is_socket) {
  const iovec one{const_cast<void*>(from), count};
  return finish<ssize_t>(of(calls).send(fd, &one, 1, flags, is_socket));
}

void fill_bytes(packetdrill_interface& i) {
  i.read = [](void* c, int fd, void* to, size_t n) { return read_into(c, fd, to, n, 0, false); };
  i.recv = [](void* c, int fd, void* to, size_t n, int flags) {
    return read_into(c, fd, to, n, flags, true);
  };
  i.recvfrom = [](void* c, int fd, void* to, size_t n, int flags, sockaddr*, socklen_t* length) {
    if (length != nullptr) *length = 0;  // a connected socket names no one
    return read_into(c, fd, to, n, flags, true);
  };
  i.readv = [](void* c, int fd, const iovec* to, int count) {
    return finish<ssize_t>(of(c).receive(fd, to, count, 0, false));
  };
  i.recvmsg = [](void* c, int fd, msghdr* message, int flags) {
    message->msg_namelen = 0;
    message->msg_controllen = 0;
    message->msg_flags = 0;
    return finish<ssize_t>(
        of(c).receive(fd, message->msg_iov, static_cast<int>(message->msg_iovlen), flags, true));
  };
  i.write = [](void* c, int fd, const void* from, size_t n) {
    return write_from(c, fd, from, n, 0, false);
  };
  i.send = [](void* c, int fd, const void* from, size_t n, int flags) {
    return write_from(c, fd, from, n, flags, true);
  };
  i.sendto = [](void* c, int fd, const void* from, size_t n, int flags, const sockaddr*,
                socklen_t) { return write_from(c, fd, from, n, flags, true); };
  i.writev = [](void* c, int fd, const iovec* from, int count) {
    return finish<ssize_t>(of(c).send(fd, from, count, 0, false));
  };
  i.sendmsg = [](void* c, int fd, const msghdr* message, int flags) {
    return finish<ssize_t>(
        of(c).send(fd, message->msg_iov, static_cast<int>(message->msg_iovlen), flags, true));
  };
  i.splice = [](void* c, int in, loff_t*, int out, loff_t*, size_t n, unsigned flags) {
    return finish<int>(of(c).splice(in, out, n, flags));
  };
}

int fcntl_of(void* calls, int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  const long argument = va_arg(arguments, long);
  va_end(arguments);
  return finish<int>(of(calls).fcntl(fd, command, argument));
}

int ioctl_of(void* calls, int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  int* value = va_arg(arguments, int*);
  va_end(arguments);
  return finish<int>(of(calls).ioctl(fd, request, value));
}

void fill(packetdrill_interface& i) {
  i.free = [](void* calls) {
    running = nullptr;
    delete static_cast<Calls*>(calls);
  };
  i.socket = Through<&Calls::socket>::call;
  i.bind = Through<&Calls::bind>::call;
  i.listen = Through<&Calls::listen>::call;
  i.accept = Through<&Calls::accept>::call;
  i.connect = Through<&Calls::connect>::call;
  fill_bytes(i);
  i.fcntl = fcntl_of;
  i.ioctl = ioctl_of;
  i.close = Through<&Calls::close>::call;
  i.shutdown = Through<&Calls::shutdown>::call;
  i.getsockopt = Through<&Calls::getsockopt>::call;
  i.setsockopt = Through<&Calls::setsockopt>::call;
  i.poll = Through<&Calls::poll>::call;
  i.netdev_send = [](void* c, const void* packet, size_t n) {
    return finish<int>(of(c).inject({static_cast<const std::byte*>(packet), n}));
  };
  i.netdev_receive = Through<&Calls::next_packet>::call;
  i.usleep = [](void* c, useconds_t us) { return finish<int>(of(c).usleep(us)); };
  i.gettimeofday = [](void* c, timeval* now, struct timezone*) {
    return finish<int>(of(c).gettimeofday(now));
  };
  i.epoll_create = [](void* c, int size) {
    return finish<int>(size > 0 ? of(c).epoll_create() : -EINVAL);
  };
  i.epoll_ctl = Through<&Calls::epoll_ctl>::call;
  i.epoll_wait = Through<&Calls::epoll_wait>::call;
  i.pipe = Through<&Calls::pipe>::call;
}

}  // namespace

}  // namespace salut::packetdrill

extern "C" {

[[gnu::visibility("default")]] void packetdrill_interface_init(const char* flags,
                                                               packetdrill_interface* interface) {
  using namespace salut::packetdrill;
  try {
    running = new Calls(parse_flags(flags == nullptr ? "" : flags));
  } catch (const std::exception& error) {
    // There is no way to report an error, and a script must not run on other settings.
    std::fprintf(stderr, "libsalut_packetdrill: %s\n", error.what());
    std::exit(2);
  }
  interface->userdata = running;
  fill(*interface);
}

// packetdrill reads what `%{ … }%` blocks assert with libc's getsockopt, past the interface. Under
// LD_PRELOAD of this library it lands here and is answered for our descriptors; without, this is
// never called.
[[gnu::visibility("default")]] int getsockopt(int fd, int level, int name, void* value,
                                              socklen_t* length) noexcept {
  using namespace salut::packetdrill;
  if (running != nullptr && running->knows(fd)) {
    return finish<int>(running->getsockopt(fd, level, name, value, length));
  }
  return static_cast<int>(syscall(SYS_getsockopt, fd, level, name, value, length));
}
}
