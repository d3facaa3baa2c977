#include "posix/socket.hpp"

#include <linux/tcp.h>

#include <algorithm>

#include "posix/errors.hpp"

namespace salut::posix {

std::optional<ConnectionInfo> Socket::info() const {
  if (phase_ != Phase::connecting && phase_ != Phase::connected) return std::nullopt;
  const auto info = loop_.engine().info(connection_);
  return info ? std::optional(*info) : std::nullopt;
}

void Socket::attach(Connection connection, const Options& options) {
  connection_ = connection;
  options_ = options;
  phase_ = Phase::connected;
  connect_reported_ = true;
  if (const auto known = info()) local_ = known->local, remote_ = known->remote;
}

void Socket::on_event(const Event& event) {
  ++activity;
  // As Linux's sk_err_soft: it is the error if the connection times out, and is forgotten when the
  // peer answers.
  if (event.has(Event::icmp_error)) icmp_error_ = errno_of(event.icmp, remote_.address.is_v6());
  if (event.has(Event::connected | Event::readable | Event::peer_closed)) icmp_error_ = 0;
  if (event.has(Event::connected)) phase_ = Phase::connected;
  if (event.has(Event::closed)) {
    error_ = errno_of(event, remote_.address.is_v6());
    if (error_ == ETIMEDOUT && icmp_error_ != 0) error_ = icmp_error_;
    if (error_ == ECONNRESET && peer_closed_ && !write_shut_) error_ = EPIPE;  // CLOSE_WAIT
    phase_ = Phase::ended;
  }
  if (event.has(Event::peer_closed)) peer_closed_ = true;
}

unsigned Socket::ready() const {
  if (phase_ == Phase::listening) return ready_children_.empty() ? 0 : POLLIN | POLLRDNORM;
  unsigned bits = error_ != 0 ? POLLERR : 0;
  if (phase_ == Phase::fresh) return bits | POLLOUT | POLLWRNORM | POLLHUP;
  const bool nothing_more = read_shut_ || peer_closed_ || phase_ == Phase::ended;
  if (phase_ == Phase::ended || (nothing_more && write_shut_)) bits |= POLLHUP;
  if (nothing_more) bits |= POLLIN | POLLRDNORM | POLLRDHUP;
  if (phase_ == Phase::connecting) return bits;
  if (unread() > 0) bits |= POLLIN | POLLRDNORM;
  if (sending_closed()) return bits | POLLOUT | POLLWRNORM;
  if (send_room() > 0) bits |= POLLOUT | POLLWRNORM;
  return bits;
}

// SO_SNDBUF limits what is written and not acknowledged, TCP_NOTSENT_LOWAT what of it is not sent.
std::size_t Socket::send_room() const {
  const auto known = info();
  if (!known) return 0;
  const std::size_t most = send_buffer(options_, loop_.config());
  const std::size_t room = most - std::min<std::size_t>(most, known->send_queued);
  const auto lowat = static_cast<unsigned>(options_.get(IPPROTO_TCP, TCP_NOTSENT_LOWAT));
  if (lowat == 0) return room;
  const std::size_t unsent = known->send_queued - std::min(known->send_queued, known->in_flight);
  return std::min(room, lowat - std::min<std::size_t>(lowat, unsent));
}

Result Socket::take_error() {
  const int error = error_;
  error_ = 0;
  return -error;
}

Result Socket::peek(std::size_t offset, Bytes& run) {
  if (phase_ == Phase::fresh || phase_ == Phase::listening) return -ENOTCONN;
  if (phase_ == Phase::connecting) return -EAGAIN;
  const auto bytes = loop_.engine().peek(connection_, offset);
  if (!bytes) return error_ != 0 && offset == 0 ? take_error() : 0;
  if (bytes->empty()) return read_shut_ ? 0 : -EAGAIN;
  run = *bytes;
  return static_cast<Result>(run.size());
}

void Socket::consume(std::size_t count) { loop_.engine().consume(connection_, count); }

Result Socket::write(Bytes from) {
  if (error_ != 0) return take_error();
  if (phase_ == Phase::connecting) return -EAGAIN;
  if (phase_ != Phase::connected || write_shut_) return -EPIPE;
  const std::size_t most = std::min(from.size(), send_room());
  if (most == 0 && !from.empty()) return -EAGAIN;
  const auto n = loop_.engine().write(connection_, from.first(most));
  if (!n) return -errno_of(n.error());
  return *n == 0 && !from.empty() ? -EAGAIN : static_cast<Result>(*n);
}

Result Socket::bind(Endpoint local) {
  if (phase_ != Phase::fresh || local_.port != 0) return -EINVAL;
  local_ = local;
  return 0;
}

Result Socket::listen(int backlog) {
  if (phase_ == Phase::listening) return 0;
  if (phase_ != Phase::fresh) return -EINVAL;
  if (local_.port == 0) return -EOPNOTSUPP;  // not built: Linux chooses a port
  const auto most = static_cast<std::uint32_t>(std::clamp(backlog, 0, 4096)) + 1;  // as Linux
  const auto listener = loop_.engine().listen(local_, most, to_engine(options_));
  if (!listener) {
    return listener.error() == Errc::no_route ? -EADDRNOTAVAIL : -errno_of(listener.error());
  }
  listener_ = *listener;
  children_max_ = most;
  phase_ = Phase::listening;
  return 0;
}

Result Socket::connect(Endpoint remote) {
  if (phase_ == Phase::listening) return -EISCONN;
  if (phase_ != Phase::fresh) {
    if (phase_ == Phase::connecting) return -EALREADY;
    return connect_reported_ ? -EISCONN : connect_result();
  }
  Endpoint local = local_;
  if (local.address.is_any()) {
    local.address = loop_.source_for(remote.address);
  }
  const auto made = loop_.engine().connect(remote, local, 0, loop_.now(), to_engine(options_));
  if (!made) {
    if (made.error() == Errc::no_port && local.port != 0) return -EADDRINUSE;
    return -errno_of(made.error());
  }
  connection_ = *made;
  remote_ = remote;
  phase_ = Phase::connecting;
  return -EINPROGRESS;
}

Result Socket::connect_result() {
  if (phase_ == Phase::connecting) return -EINPROGRESS;
  if (error_ != 0) return take_error();
  if (phase_ == Phase::ended) return -ECONNABORTED;
  connect_reported_ = true;
  return 0;
}

void Socket::enqueue(std::shared_ptr<Socket> child) {
  if (ready_children_.size() >= children_max_) {
    loop_.engine().abort(child->connection());
    return;
  }
  ready_children_.push_back(std::move(child));
  ++activity;
}

std::shared_ptr<Socket> Socket::accept() {
  if (ready_children_.empty()) return nullptr;
  auto child = std::move(ready_children_.front());
  ready_children_.pop_front();
  return child;
}

Result Socket::shutdown(int how) {
  if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
  if (phase_ == Phase::listening && how != SHUT_WR) {
    close();
    phase_ = Phase::fresh;
    return 0;
  }
  if (phase_ != Phase::connected) return -ENOTCONN;
  ++activity;
  if (how != SHUT_WR) read_shut_ = true;
  if (how != SHUT_RD && !write_shut_) {
    write_shut_ = true;
    loop_.engine().shutdown(connection_);
  }
  return 0;
}

void Socket::close() {
  if (phase_ == Phase::listening) {
    loop_.engine().unlisten(listener_);
    for (const auto& child : ready_children_) loop_.engine().abort(child->connection());
    ready_children_.clear();
    return;
  }
  if (phase_ != Phase::connecting && phase_ != Phase::connected) return;
  loop_.engine().close(connection_);
}

bool Socket::lingering() const {
  const auto known = info();
  if (!known) return false;
  switch (known->state) {
    case State::fin_wait_2:  // the FIN is acknowledged, and all data before it
    case State::time_wait:
    case State::closed:
      return false;
    default:
      return true;
  }
}

Result Socket::set_option(int level, int name, Bytes value) {
  const Result result = posix::set_option(options_, level, name, value);
  if (result == 0 && (phase_ == Phase::connecting || phase_ == Phase::connected)) {
    loop_.engine().set_options(connection_, to_engine(options_));
  }
  if (result == 0 && phase_ == Phase::listening) {
    loop_.engine().set_options(listener_, to_engine(options_));
  }
  return result;
}

Result Socket::get_option(int level, int name, void* value, socklen_t* length) {
  if (level == SOL_SOCKET && name == SO_ERROR) {
    options_.ints[{level, name}] = static_cast<int>(-take_error());
  }
  if (level == SOL_SOCKET && name == SO_ACCEPTCONN) {
    options_.ints[{level, name}] = phase_ == Phase::listening ? 1 : 0;
  }
  std::optional<ConnectionInfo> known = info();
  if (!known && phase_ == Phase::listening) known = ConnectionInfo{.state = State::listen};
  return posix::get_option(options_, loop_.config(), known, level, name, value, length);
}

Result Socket::unread() const {
  if (phase_ == Phase::listening) return -EINVAL;
  const auto known = loop_.engine().info(connection_);
  return known ? known->recv_queued : 0;
}

Result Socket::unsent() const {
  if (phase_ == Phase::listening) return -EINVAL;
  const auto known = info();
  return known ? known->send_queued : 0;
}

}  // namespace salut::posix
