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
#include <optional>

namespace salut::posix {

namespace {

std::optional<Endpoint> endpoint_of(const sockaddr* address, socklen_t length, int domain) {
  if (address == nullptr || length < sizeof(sa_family_t)) return std::nullopt;
  if (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof(v4));
    return Endpoint{IpAddress::v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)};
  }
  if (address->sa_family == AF_INET6 && domain == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6;
    std::memcpy(&v6, address, sizeof(v6));
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

void give_address(const Endpoint& endpoint, int domain, sockaddr* address, socklen_t* length) {
  if (address == nullptr || length == nullptr) return;
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
  std::memcpy(address, &storage, std::min(*length, size));
  *length = size;
}

}  // namespace

Sockets::Sockets(EngineLoop& loop) : loop_(loop) {
  loop_.on_event = [this](const Event& event) { dispatch(event); };
}

Sockets::~Sockets() {
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
  const auto local = endpoint_of(address, length, socket->domain());
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
  give_address(child->remote(), child->domain(), address, length);
  return add(std::move(child));
}

Result Sockets::connect(int fd, const sockaddr* address, socklen_t length) {
  auto lock = loop_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  const auto remote = endpoint_of(address, length, socket->domain());
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
  files_.erase(fd);
  ::close(fd);
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

Result Sockets::getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  const auto lock = loop_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->get_option(level, name, value, length);
}

Result Sockets::setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  const auto lock = loop_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  const Result result =
      socket->set_option(level, name, {static_cast<const std::byte*>(value), length});
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

Result Sockets::ioctl(int fd, unsigned long request, int* value) {
  const auto lock = loop_.enter();
  const auto file = find(fd);
  if (file == nullptr) return -EBADF;
  if (request == FIONBIO) {
    file->nonblocking = *value != 0;
    return 0;
  }
  const auto socket = std::dynamic_pointer_cast<Socket>(file);
  if (socket == nullptr || (request != SIOCINQ && request != SIOCOUTQ)) return -ENOTTY;
  const Result n = request == SIOCINQ ? socket->unread() : socket->unsent();
  if (n < 0) return n;
  *value = static_cast<int>(n);
  return 0;
}

Result Sockets::pipe(int fds[2]) {
  const auto lock = loop_.enter();
  const auto shared = std::make_shared<Pipe::Shared>();
  for (int i = 0; i < 2; ++i) {
    const Result fd = add(std::make_shared<Pipe>(shared, i == 1));
    if (fd < 0) return fd;
    fds[i] = static_cast<int>(fd);
  }
  return 0;
}

}  // namespace salut::posix
