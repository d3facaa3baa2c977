#include "posix/sockets.hpp"

#include <endian.h>
#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>

#include "posix/user_memory.hpp"

namespace salut::posix {

namespace {

std::optional<Endpoint> endpoint_of(const sockaddr_storage& address, socklen_t length, int domain) {
  if (address.ss_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof(v4));
    return Endpoint{IpAddress::v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)};
  }
  if (address.ss_family == AF_INET6 && domain == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof(v6));
    if (!IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      std::array<std::uint64_t, 2> half;
      std::memcpy(half.data(), v6.sin6_addr.s6_addr, 16);
      return Endpoint{IpAddress::v6(be64toh(half[0]), be64toh(half[1])), ntohs(v6.sin6_port)};
    }
    std::uint32_t v4;  // RFC 4291 §2.5.5.2
    std::memcpy(&v4, v6.sin6_addr.s6_addr + 12, sizeof(v4));
    return Endpoint{IpAddress::v4(ntohl(v4)), ntohs(v6.sin6_port)};
  }
  return std::nullopt;
}

// Into the caller's memory, as much as it has room for.
Result store_address(const Endpoint& endpoint, int domain, sockaddr* address, socklen_t* length) {
  if (address == nullptr) return 0;
  socklen_t room = 0;
  if (!load_user(length, room)) return -EFAULT;
  if (room > std::numeric_limits<int>::max()) return -EINVAL;
  sockaddr_storage storage = {};
  socklen_t size = sizeof(sockaddr_in);
  if (domain == AF_INET6) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(v6.sin6_addr.s6_addr, endpoint.address.bytes().data(), 16);
    size = sizeof(sockaddr_in6);
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    v4.sin_addr.s_addr = htonl(endpoint.address.v4());
  }
  const std::size_t count = std::min(room, size);
  return copy_to_user(address, &storage, count) == count && store_user(length, size) ? 0 : -EFAULT;
}

}  // namespace

Result load_address(const sockaddr* user, socklen_t length, sockaddr_storage& to) {
  to = {};
  if (length > sizeof(to)) return -EINVAL;
  return copy_from_user(&to, user, length) == length ? 0 : -EFAULT;
}

Sockets::Sockets(EngineLoop& loop) : loop_(loop) {
  const auto lock = loop_.enter();
  loop_.on_event = [this](const Event& event) { dispatch(event); };
}

Sockets::~Sockets() {
  const auto lock = loop_.enter();
  loop_.on_event = [](const Event&) {};
  for (const auto& [fd, file] : files_) ::close(fd);
}

void Sockets::dispatch(const Event& event) {
  if (event.has(Event::accepted)) {
    std::shared_ptr<Socket> listener;
    for (const auto& [fd, file] : files_) {
      const auto socket = std::dynamic_pointer_cast<Socket>(file);
      if (socket == nullptr || socket->phase() != Socket::Phase::listening) continue;
      if (socket->listener() == event.listener) listener = socket;
    }
    if (listener == nullptr) {
      loop_.engine().abort(event.connection);
      return;
    }
    auto child = std::make_shared<Socket>(loop_, listener->domain());
    child->attach(event.connection, listener->options());
    connections_[event.connection] = child;
    child->on_event(event);
    listener->enqueue(std::move(child));
    return;
  }
  const auto found = connections_.find(event.connection);
  if (found == connections_.end()) return;
  if (const auto socket = found->second.lock()) socket->on_event(event);
  if (event.has(Event::closed)) connections_.erase(found);
}

Result Sockets::add(std::shared_ptr<File> file) {
  const int fd = eventfd(0, EFD_CLOEXEC);
  if (fd < 0) return -errno;
  files_[fd] = std::move(file);
  return fd;
}

void Sockets::forget(int fd) {
  files_.erase(fd);
  ::close(fd);
}

std::shared_ptr<File> Sockets::find(int fd) const {
  const auto found = files_.find(fd);
  return found == files_.end() ? nullptr : found->second;
}

std::shared_ptr<Socket> Sockets::find_socket(int fd, Result& error) const {
  const auto file = find(fd);
  auto socket = std::dynamic_pointer_cast<Socket>(file);
  if (socket == nullptr) error = file == nullptr ? -EBADF : -ENOTSOCK;
  return socket;
}

bool Sockets::knows(int fd) {
  const auto lock = loop_.enter();
  return files_.contains(fd);
}

Instant Sockets::deadline_after(Duration timeout) const {
  return timeout == Duration{0} ? EngineLoop::never : loop_.now() + timeout;
}

Instant Sockets::deadline_after(int timeout_ms) const {
  if (timeout_ms < 0) return EngineLoop::never;
  return loop_.now() + std::chrono::milliseconds{timeout_ms};
}

Result Sockets::retry(Lock& lock, const std::shared_ptr<File>& file, unsigned bits,
                      Instant deadline, bool wait, const std::function<Result()>& attempt) {
  for (;;) {
    const Result result = attempt();
    loop_.run();
    if (result != -EAGAIN || !wait) return result;
    const auto ready = [&] { return (file->ready() & (bits | POLLERR | POLLHUP)) != 0; };
    if (!loop_.wait(lock, ready, deadline)) return -EAGAIN;
  }
}

Result Sockets::socket(int domain, int type, int protocol) {
  const auto lock = loop_.enter();
  if (domain != AF_INET && domain != AF_INET6) return -EAFNOSUPPORT;
  if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM) return -ESOCKTNOSUPPORT;
  if (protocol != 0 && protocol != IPPROTO_TCP) return -EPROTONOSUPPORT;
  auto socket = std::make_shared<Socket>(loop_, domain);
  socket->nonblocking = (type & SOCK_NONBLOCK) != 0;
  return add(std::move(socket));
}

Result Sockets::bind(int fd, const sockaddr* address, socklen_t length) {
  const auto lock = loop_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  sockaddr_storage storage;
  error = load_address(address, length, storage);
  if (error < 0) return error;
  const auto local = endpoint_of(storage, length, socket->domain());
  return local ? socket->bind(*local) : -EINVAL;
}

Result Sockets::listen(int fd, int backlog) {
  const auto lock = loop_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->listen(backlog);
}

Result Sockets::accept(int fd, sockaddr* address, socklen_t* length) {
  auto lock = loop_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  if (socket->phase() != Socket::Phase::listening) return -EINVAL;
  std::shared_ptr<Socket> child;
  const Result result =
      retry(lock, socket, POLLIN, deadline_after(socket->options().receive_timeout),
            !socket->nonblocking, [&]() -> Result {
              child = socket->accept();
              return child == nullptr ? -EAGAIN : 0;
            });
  if (result < 0) return result;
  error = store_address(child->remote(), child->domain(), address, length);
  if (error < 0) {
    child->close();
    loop_.run();
    return error;
  }
  return add(std::move(child));
}

Result Sockets::connect(int fd, const sockaddr* address, socklen_t length) {
  auto lock = loop_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  sockaddr_storage storage;
  error = load_address(address, length, storage);
  if (error < 0) return error;
  const auto remote = endpoint_of(storage, length, socket->domain());
  if (!remote) return -EAFNOSUPPORT;
  const Result result = socket->connect(*remote);
  if (result == -EINPROGRESS) connections_[socket->connection()] = socket;
  loop_.run();
  if (socket->nonblocking || (result != -EINPROGRESS && result != -EALREADY)) return result;
  const auto decided = [&] { return socket->phase() != Socket::Phase::connecting; };
  loop_.wait(lock, decided, deadline_after(socket->options().send_timeout));
  return socket->connect_result();
}

Result Sockets::shutdown(int fd, int how) {
  const auto lock = loop_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  const Result result = socket->shutdown(how);
  loop_.run();
  return result;
}

Result Sockets::close(int fd) {
  auto lock = loop_.enter();
  const auto file = find(fd);
  if (file == nullptr) return -EBADF;
  forget(fd);
  file->close();
  loop_.run();
  // SO_LINGER with a time: until the peer has acknowledged everything, or the time is over.
  if (const auto socket = std::dynamic_pointer_cast<Socket>(file)) {
    const auto& linger = socket->options().linger;
    if (linger.l_onoff != 0 && linger.l_linger > 0 && !socket->nonblocking) {
      loop_.wait(
          lock, [&] { return !socket->lingering(); },
          deadline_after(std::chrono::seconds{linger.l_linger}));
    }
  }
  return 0;
}

Result Sockets::getsockopt(int fd, int level, int name, void* user, socklen_t* user_length) {
  const auto lock = loop_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  socklen_t length = 0;
  if (!load_user(user_length, length)) return -EFAULT;
  if (length > std::numeric_limits<int>::max()) return -EINVAL;
  std::array<std::byte, 1024> value = {};  // more than any option has
  length = std::min<socklen_t>(length, value.size());
  error = socket->get_option(level, name, value.data(), &length);
  if (error < 0) return error;
  const bool stored = copy_to_user(user, value.data(), length) == length;
  return stored && store_user(user_length, length) ? 0 : -EFAULT;
}

Result Sockets::setsockopt(int fd, int level, int name, const void* user, socklen_t length) {
  const auto lock = loop_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  if (length > std::numeric_limits<int>::max()) return -EINVAL;
  std::array<std::byte, 1024> value = {};
  length = std::min<socklen_t>(length, value.size());
  if (copy_from_user(value.data(), user, length) != length) return -EFAULT;
  const Result result = socket->set_option(level, name, Bytes(value).first(length));
  loop_.run();
  return result;
}

Result Sockets::fcntl(int fd, int command, long argument) {
  const auto lock = loop_.enter();
  const auto file = find(fd);
  if (file == nullptr) return -EBADF;
  switch (command) {
    case F_GETFL:
      return O_RDWR | (file->nonblocking ? O_NONBLOCK : 0);
    case F_SETFL:
      file->nonblocking = (argument & O_NONBLOCK) != 0;
      return 0;
    case F_GETFD:
      return FD_CLOEXEC;
    case F_SETFD:
      return 0;
    default:
      return -EINVAL;
  }
}

Result Sockets::ioctl(int fd, unsigned long request, int* user) {
  const auto lock = loop_.enter();
  const auto file = find(fd);
  if (file == nullptr) return -EBADF;
  if (request == FIONBIO) {
    int on = 0;
    if (!load_user(user, on)) return -EFAULT;
    file->nonblocking = on != 0;
    return 0;
  }
  const auto socket = std::dynamic_pointer_cast<Socket>(file);
  if (socket == nullptr || (request != SIOCINQ && request != SIOCOUTQ)) return -ENOTTY;
  const Result n = request == SIOCINQ ? socket->unread() : socket->unsent();
  if (n < 0) return n;
  return store_user(user, static_cast<int>(n)) ? 0 : -EFAULT;
}

Result Sockets::pipe(int* user) {
  const auto lock = loop_.enter();
  const auto shared = std::make_shared<Pipe::Shared>();
  std::array<int, 2> fds = {};
  for (unsigned i = 0; i < 2; ++i) {
    const Result fd = add(std::make_shared<Pipe>(shared, i == 1));
    if (fd < 0) {
      if (i == 1) forget(fds[0]);
      return fd;
    }
    fds[i] = static_cast<int>(fd);
  }
  if (store_user(user, fds[0], 2)) return 0;
  for (const int fd : fds) forget(fd);
  return -EFAULT;
}

}  // namespace salut::posix
