#include "io/packetdrill/calls.hpp"

#include <endian.h>
#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

namespace salut::packetdrill {

namespace {

// Of the clock that scripts see; any will do, as long as it is the same in every run.
constexpr std::int64_t epoch_us = 1'000'000'000'000'000;

std::int64_t to_us(Instant at) { return epoch_us + at.time_since_epoch().count() / 1000; }

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

Calls::Calls(const Flags& flags) : machine_(flags) {
  machine_.on_event = [this](const Event& event) { dispatch(event); };
}

Calls::~Calls() {
  for (const auto& [fd, file] : files_) ::close(fd);
}

void Calls::dispatch(const Event& event) {
  if (event.has(Event::accepted)) {
    std::shared_ptr<Socket> listener;
    for (const auto& [fd, file] : files_) {
      const auto socket = std::dynamic_pointer_cast<Socket>(file);
      if (socket == nullptr || socket->phase() != Socket::Phase::listening) continue;
      if (socket->listener() == event.listener) listener = socket;
    }
    if (listener == nullptr) {
      machine_.engine().abort(event.connection);
      return;
    }
    auto child = std::make_shared<Socket>(machine_, listener->domain());
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

Result Calls::add(std::shared_ptr<File> file) {
  const int fd = eventfd(0, EFD_CLOEXEC);
  if (fd < 0) return -errno;
  files_[fd] = std::move(file);
  return fd;
}

std::shared_ptr<File> Calls::find(int fd) const {
  const auto found = files_.find(fd);
  return found == files_.end() ? nullptr : found->second;
}

std::shared_ptr<Socket> Calls::find_socket(int fd, Result& error) const {
  const auto file = find(fd);
  auto socket = std::dynamic_pointer_cast<Socket>(file);
  if (socket == nullptr) error = file == nullptr ? -EBADF : -ENOTSOCK;
  return socket;
}

bool Calls::knows(int fd) {
  const auto lock = machine_.enter();
  return files_.contains(fd);
}

Instant Calls::deadline(Duration timeout) const {
  return timeout == Duration{0} ? Machine::never : machine_.now() + timeout;
}

Instant Calls::deadline(int timeout_ms) const {
  if (timeout_ms < 0) return Machine::never;
  return machine_.now() + std::chrono::milliseconds{timeout_ms};
}

template <class Try>
Result Calls::until(Lock& lock, const std::shared_ptr<File>& file, unsigned bits, Instant deadline,
                    bool wait, Try&& attempt) {
  for (;;) {
    const Result result = attempt();
    machine_.run();
    if (result != -EAGAIN || !wait) return result;
    const auto ready = [&] { return (file->ready() & (bits | POLLERR | POLLHUP)) != 0; };
    if (!machine_.wait(lock, ready, deadline)) return -EAGAIN;
  }
}

// --- sockets ------------------------------------------------------------------------------------

Result Calls::socket(int domain, int type, int protocol) {
  const auto lock = machine_.enter();
  if (domain != AF_INET && domain != AF_INET6) return -EAFNOSUPPORT;
  if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM) return -ESOCKTNOSUPPORT;
  if (protocol != 0 && protocol != IPPROTO_TCP) return -EPROTONOSUPPORT;
  auto socket = std::make_shared<Socket>(machine_, domain);
  socket->nonblocking = (type & SOCK_NONBLOCK) != 0;
  return add(std::move(socket));
}

Result Calls::bind(int fd, const sockaddr* address, socklen_t length) {
  const auto lock = machine_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  const auto local = endpoint_of(address, length, socket->domain());
  return local ? socket->bind(*local) : -EINVAL;
}

Result Calls::listen(int fd, int backlog) {
  const auto lock = machine_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->listen(backlog);
}

Result Calls::accept(int fd, sockaddr* address, socklen_t* length) {
  auto lock = machine_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  if (socket->phase() != Socket::Phase::listening) return -EINVAL;
  std::shared_ptr<Socket> child;
  const Result result = until(lock, socket, POLLIN, deadline(socket->options().receive_timeout),
                              !socket->nonblocking, [&]() -> Result {
                                child = socket->accept();
                                return child == nullptr ? -EAGAIN : 0;
                              });
  if (result < 0) return result;
  give_address(child->remote(), child->domain(), address, length);
  return add(std::move(child));
}

Result Calls::connect(int fd, const sockaddr* address, socklen_t length) {
  auto lock = machine_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  const auto remote = endpoint_of(address, length, socket->domain());
  if (!remote) return -EAFNOSUPPORT;
  const Result result = socket->connect(*remote);
  if (result == -EINPROGRESS) connections_[socket->connection()] = socket;
  machine_.run();
  if (socket->nonblocking || (result != -EINPROGRESS && result != -EALREADY)) return result;
  const auto decided = [&] { return socket->phase() != Socket::Phase::connecting; };
  machine_.wait(lock, decided, deadline(socket->options().send_timeout));
  return socket->connect_result();
}

Result Calls::shutdown(int fd, int how) {
  const auto lock = machine_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  const Result result = socket->shutdown(how);
  machine_.run();
  return result;
}

Result Calls::close(int fd) {
  auto lock = machine_.enter();
  const auto file = find(fd);
  if (file == nullptr) return -EBADF;
  files_.erase(fd);
  ::close(fd);
  file->close();
  machine_.run();
  // SO_LINGER with a time: until the peer has acknowledged everything, or the time is over.
  if (const auto socket = std::dynamic_pointer_cast<Socket>(file)) {
    const auto& linger = socket->options().linger;
    if (linger.l_onoff != 0 && linger.l_linger > 0 && !socket->nonblocking) {
      machine_.wait(
          lock, [&] { return !socket->lingering(); },
          deadline(std::chrono::seconds{linger.l_linger}));
    }
  }
  return 0;
}

Result Calls::getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
  const auto lock = machine_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  return socket == nullptr ? error : socket->get_option(level, name, value, length);
}

Result Calls::setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  const auto lock = machine_.enter();
  Result error = 0;
  const auto socket = find_socket(fd, error);
  if (socket == nullptr) return error;
  const Result result =
      socket->set_option(level, name, {static_cast<const std::byte*>(value), length});
  machine_.run();
  return result;
}

// --- bytes --------------------------------------------------------------------------------------

Result Calls::receive(int fd, const iovec* to, int count, int flags, bool is_socket) {
  auto lock = machine_.enter();
  const auto file = find(fd);
  if (file == nullptr) return -EBADF;
  const auto socket = std::dynamic_pointer_cast<Socket>(file);
  if (socket == nullptr && is_socket) return -ENOTSOCK;
  if ((flags & MSG_OOB) != 0) return -EINVAL;
  const Instant limit = socket ? deadline(socket->options().receive_timeout) : Machine::never;
  const bool wait = !file->nonblocking && (flags & MSG_DONTWAIT) == 0;
  Result sum = 0;
  for (int i = 0; i < count; ++i) {
    Room room{static_cast<std::byte*>(to[i].iov_base), to[i].iov_len};
    while (!room.empty()) {
      const bool more = sum == 0 || (flags & MSG_WAITALL) != 0;
      const Result n = until(lock, file, POLLIN | POLLRDHUP, limit, wait && more,
                             [&] { return file->read(room, (flags & MSG_PEEK) != 0); });
      if (n <= 0) return sum > 0 ? sum : n;
      sum += n;
      room = room.subspan(static_cast<std::size_t>(n));
      if ((flags & MSG_PEEK) != 0) return sum;
    }
  }
  return sum;
}

Result Calls::send(int fd, const iovec* from, int count, int flags, bool is_socket) {
  auto lock = machine_.enter();
  const auto file = find(fd);
  if (file == nullptr) return -EBADF;
  const auto socket = std::dynamic_pointer_cast<Socket>(file);
  if (socket == nullptr && is_socket) return -ENOTSOCK;
  if ((flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  const Instant limit = socket ? deadline(socket->options().send_timeout) : Machine::never;
  const bool wait = !file->nonblocking && (flags & MSG_DONTWAIT) == 0;
  // The engine sees one write, as it would from writev: its last segment carries PSH.
  std::vector<std::byte> joined;
  for (int i = 0; i < count; ++i) {
    const auto* bytes = static_cast<const std::byte*>(from[i].iov_base);
    joined.insert(joined.end(), bytes, bytes + from[i].iov_len);
  }
  Bytes left = joined;
  do {
    const Result n = until(lock, file, POLLOUT, limit, wait,
                           [&] { return file->write(left, (flags & MSG_MORE) != 0); });
    const auto sum = static_cast<Result>(joined.size() - left.size());
    if (n < 0) return sum > 0 ? sum : n;
    left = left.subspan(static_cast<std::size_t>(n));
  } while (!left.empty());
  return static_cast<Result>(joined.size());
}

Result Calls::fcntl(int fd, int command, long argument) {
  const auto lock = machine_.enter();
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

Result Calls::ioctl(int fd, unsigned long request, int* value) {
  const auto lock = machine_.enter();
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

// --- waiting for several ------------------------------------------------------------------------

Result Calls::poll(pollfd* fds, nfds_t count, int timeout_ms) {
  auto lock = machine_.enter();
  const auto look = [&] {
    Result ready = 0;
    for (nfds_t i = 0; i < count; ++i) {
      const auto file = find(fds[i].fd);
      const auto wanted = static_cast<unsigned short>(fds[i].events) | POLLERR | POLLHUP;
      const unsigned bits = fds[i].fd < 0 ? 0 : file == nullptr ? POLLNVAL : file->ready() & wanted;
      fds[i].revents = static_cast<short>(bits);
      if (bits != 0) ++ready;
    }
    return ready;
  };
  if (timeout_ms != 0) machine_.wait(lock, [&] { return look() > 0; }, deadline(timeout_ms));
  return look();
}

Result Calls::epoll_create() {
  const auto lock = machine_.enter();
  return add(std::make_shared<Epoll>());
}

Result Calls::epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
  const auto lock = machine_.enter();
  const auto set = find(epoll);
  const auto file = find(fd);
  if (set == nullptr || file == nullptr) return -EBADF;
  const auto watching = std::dynamic_pointer_cast<Epoll>(set);
  if (watching == nullptr || set == file) return -EINVAL;
  return watching->control(operation, fd, file, event);
}

Result Calls::epoll_wait(int epoll, epoll_event* events, int count, int timeout_ms) {
  auto lock = machine_.enter();
  const auto file = find(epoll);
  if (file == nullptr) return -EBADF;
  const auto set = std::dynamic_pointer_cast<Epoll>(file);
  if (set == nullptr || count <= 0) return -EINVAL;
  const Result n = until(lock, set, POLLIN, deadline(timeout_ms), timeout_ms != 0,
                         [&] { return set->collect({events, static_cast<std::size_t>(count)}); });
  return n == -EAGAIN ? 0 : n;
}

Result Calls::pipe(int fds[2]) {
  const auto lock = machine_.enter();
  const auto shared = std::make_shared<Pipe::Shared>();
  for (int i = 0; i < 2; ++i) {
    const Result fd = add(std::make_shared<Pipe>(shared, i == 1));
    if (fd < 0) return fd;
    fds[i] = static_cast<int>(fd);
  }
  return 0;
}

// What fits is copied: bytes leave `in` only once `out` has taken them.
Result Calls::splice(int in, int out, std::size_t count, unsigned flags) {
  auto lock = machine_.enter();
  const auto from = find(in);
  const auto to = find(out);
  if (from == nullptr || to == nullptr) return -EBADF;
  if (std::dynamic_pointer_cast<Pipe>(from) == nullptr &&
      std::dynamic_pointer_cast<Pipe>(to) == nullptr) {
    return -EINVAL;
  }
  std::vector<std::byte> bytes(std::min(count, Pipe::capacity));
  const bool wait = (flags & 2 /* SPLICE_F_NONBLOCK */) == 0;
  const Result have = until(lock, from, POLLIN | POLLRDHUP, Machine::never,
                            wait && !from->nonblocking, [&] { return from->read(bytes, true); });
  if (have <= 0) return have;
  const Result n = until(lock, to, POLLOUT, Machine::never, wait && !to->nonblocking, [&] {
    return to->write(Bytes(bytes).first(static_cast<std::size_t>(have)), (flags & 4) != 0);
  });
  if (n > 0) from->read(Room(bytes).first(static_cast<std::size_t>(n)), false);
  machine_.run();
  return n;
}

// --- the wire and the clock ---------------------------------------------------------------------

Result Calls::inject(std::span<const std::byte> packet) {
  const auto lock = machine_.enter();
  machine_.inject(packet);
  return 0;
}

Result Calls::next_packet(void* to, std::size_t* length, long long* time_us) {
  auto lock = machine_.enter();
  const auto packet = machine_.receive(lock);
  *time_us = to_us(packet ? packet->at : machine_.now());
  *length = packet ? std::min(*length, packet->bytes.size()) : 0;
  if (packet) std::memcpy(to, packet->bytes.data(), *length);
  return 0;
}

Result Calls::usleep(std::uint64_t us) {
  auto lock = machine_.enter();
  machine_.advance(lock, machine_.now() + std::chrono::microseconds{us});
  return 0;
}

Result Calls::gettimeofday(timeval* now) {
  bool returning = false;
  auto lock = machine_.enter(&returning);
  // Whoever polls the clock until it has moved gets his way; a thread that only looks when its
  // call ended does not disturb it.
  if (!returning) machine_.advance(lock, machine_.now() + std::chrono::microseconds{1});
  const std::int64_t us = to_us(machine_.now());
  now->tv_sec = us / 1'000'000;
  now->tv_usec = us % 1'000'000;
  return 0;
}

}  // namespace salut::packetdrill
