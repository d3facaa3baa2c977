// The exported functions: the table that packetdrill calls, the clock and the network device.
// Sockets are salut::posix; here its results become -1 and errno.

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "packetdrill/plugin/interface.hpp"
#include "packetdrill/plugin/virtual_loop.hpp"
#include "posix/sockets.hpp"

namespace salut::packetdrill {

namespace {

using posix::Result;
using posix::Sockets;

// Of the clock that scripts see; any will do, as long as it is the same in every run.
constexpr std::int64_t epoch_us = 1'000'000'000'000'000;

std::int64_t to_us(Instant at) { return epoch_us + at.time_since_epoch().count() / 1000; }

struct Plugin {
  explicit Plugin(const Flags& flags) : loop(flags), sockets(loop) {}

  VirtualLoop loop;
  posix::Sockets sockets;
};

// The one that runs now; for the exported getsockopt, which is given no userdata.
Plugin* running = nullptr;

template <class T>
T finish(Result result) {
  if (result >= 0) return static_cast<T>(result);
  errno = static_cast<int>(-result);
  return static_cast<T>(-1);
}

// An adapter for each member; what it returns is what its namesake does.
template <class Returned, auto member>
struct Through;
template <class Returned, class... Arguments, Result (Sockets::*member)(Arguments...)>
struct Through<Returned, member> {
  static Returned call(void* plugin, Arguments... arguments) {
    return finish<Returned>((static_cast<Plugin*>(plugin)->sockets.*member)(arguments...));
  }
};

Sockets& of(void* plugin) { return static_cast<Plugin*>(plugin)->sockets; }
VirtualLoop& loop_of(void* plugin) { return static_cast<Plugin*>(plugin)->loop; }

void fill_bytes(packetdrill_interface& i) {
  i.read = Through<ssize_t, &Sockets::read>::call;
  i.readv = Through<ssize_t, &Sockets::readv>::call;
  i.recv = Through<ssize_t, &Sockets::recv>::call;
  i.recvfrom = Through<ssize_t, &Sockets::recvfrom>::call;
  i.recvmsg = Through<ssize_t, &Sockets::recvmsg>::call;
  i.write = Through<ssize_t, &Sockets::write>::call;
  i.writev = Through<ssize_t, &Sockets::writev>::call;
  i.send = Through<ssize_t, &Sockets::send>::call;
  i.sendto = Through<ssize_t, &Sockets::sendto>::call;
  i.sendmsg = Through<ssize_t, &Sockets::sendmsg>::call;
  i.splice = Through<int, &Sockets::splice>::call;
}

int fcntl_of(void* plugin, int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  const long argument = va_arg(arguments, long);
  va_end(arguments);
  return finish<int>(of(plugin).fcntl(fd, command, argument));
}

int ioctl_of(void* plugin, int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  int* value = va_arg(arguments, int*);
  va_end(arguments);
  return finish<int>(of(plugin).ioctl(fd, request, value));
}

int netdev_send(void* plugin, const void* packet, size_t length) {
  VirtualLoop& loop = loop_of(plugin);
  const auto lock = loop.enter();
  loop.inject({static_cast<const std::byte*>(packet), length});
  return 0;
}

// 0 with *length 0: nothing came.
int netdev_receive(void* plugin, void* to, size_t* length, long long* time_us) {
  VirtualLoop& loop = loop_of(plugin);
  auto lock = loop.enter();
  const auto packet = loop.receive(lock);
  *time_us = to_us(packet ? packet->at : loop.now());
  *length = packet ? std::min(*length, packet->bytes.size()) : 0;
  if (packet) std::memcpy(to, packet->bytes.data(), *length);
  return 0;
}

int sleep_for(void* plugin, useconds_t us) {
  VirtualLoop& loop = loop_of(plugin);
  auto lock = loop.enter();
  loop.sleep(lock, std::chrono::microseconds{us});
  return 0;
}

int get_time(void* plugin, timeval* now, struct timezone*) {
  VirtualLoop& loop = loop_of(plugin);
  bool returning = false;
  auto lock = loop.enter(&returning);
  // A thread that polls the clock until it has moved must see it move; a thread that only looks
  // when its call ended must not disturb it.
  if (!returning) loop.advance(lock, loop.now() + std::chrono::microseconds{1});
  const std::int64_t us = to_us(loop.now());
  now->tv_sec = us / 1'000'000;
  now->tv_usec = us % 1'000'000;
  return 0;
}

void fill(packetdrill_interface& i) {
  i.free = [](void* plugin) {
    running = nullptr;
    delete static_cast<Plugin*>(plugin);
  };
  i.socket = Through<int, &Sockets::socket>::call;
  i.bind = Through<int, &Sockets::bind>::call;
  i.listen = Through<int, &Sockets::listen>::call;
  i.accept = Through<int, &Sockets::accept>::call;
  i.connect = Through<int, &Sockets::connect>::call;
  fill_bytes(i);
  i.fcntl = fcntl_of;
  i.ioctl = ioctl_of;
  i.close = Through<int, &Sockets::close>::call;
  i.shutdown = Through<int, &Sockets::shutdown>::call;
  i.getsockopt = Through<int, &Sockets::getsockopt>::call;
  i.setsockopt = Through<int, &Sockets::setsockopt>::call;
  i.poll = Through<int, &Sockets::poll>::call;
  i.netdev_send = netdev_send;
  i.netdev_receive = netdev_receive;
  i.usleep = sleep_for;
  i.gettimeofday = get_time;
  i.epoll_create = [](void* c, int size) {
    return finish<int>(size > 0 ? of(c).epoll_create() : -EINVAL);
  };
  i.epoll_ctl = Through<int, &Sockets::epoll_ctl>::call;
  i.epoll_wait = Through<int, &Sockets::epoll_wait>::call;
  i.pipe = Through<int, &Sockets::pipe>::call;
}

}  // namespace

}  // namespace salut::packetdrill

extern "C" {

[[gnu::visibility("default")]] void packetdrill_interface_init(const char* flags,
                                                               packetdrill_interface* interface) {
  using namespace salut::packetdrill;
  try {
    running = new Plugin(parse_flags(flags == nullptr ? "" : flags));
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
  if (running != nullptr && running->sockets.knows(fd)) {
    return finish<int>(running->sockets.getsockopt(fd, level, name, value, length));
  }
  return static_cast<int>(syscall(SYS_getsockopt, fd, level, name, value, length));
}
}
