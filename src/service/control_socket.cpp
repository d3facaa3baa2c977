#include "service/control_socket.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "host/instance_lock.hpp"
#include "host/run_directory.hpp"
#include "host/say.hpp"
#include "io/sleep.hpp"

namespace salut::service {
namespace {

constexpr std::size_t answer_max = 200;

// False if the path is longer than a socket's may be.
bool address_of(const std::string& path, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return true;
}

bool send_line(int fd, std::string_view line) {
  const std::string text = std::string(line) + "\n";
  return send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(text.size());
}

}  // namespace

Result<ControlSocket> ControlSocket::open(const std::string& name) {
  const std::string path = instance_path(name, "sock");
  const auto failed = [&] {
    return fail(Errc::no_permission,
                fmt::format("name = \"{}\": cannot make the socket {}: {}; want a name whose files "
                            "are ours, or a shorter XDG_RUNTIME_DIR",
                            name, path, std::strerror(errno)));
  };
  sockaddr_un address;
  if (!address_of(path, address)) {
    errno = ENAMETOOLONG;
    return failed();
  }
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return failed();
  ControlSocket made(path, fd);
  unlink(path.c_str());
  // The socket has mode 0600 from the start: there is no moment in which another user could
  // connect.
  const mode_t before = umask(0177);
  const bool bound = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  umask(before);
  if (!bound || listen(fd, static_cast<int>(clients_max)) != 0) return failed();
  return made;
}

ControlSocket::ControlSocket(std::string path, int fd)
    : path_(std::move(path)), fd_(fd), spare_(eventfd(0, EFD_CLOEXEC)) {}

ControlSocket::ControlSocket(ControlSocket&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      spare_(std::exchange(other.spare_, -1)),
      came_(other.came_),
      clients_(std::exchange(other.clients_, {})) {}

ControlSocket::~ControlSocket() {
  if (fd_ < 0) return;
  unlink(path_.c_str());
  close(fd_);
  if (spare_ >= 0) close(spare_);
  for (Client& client : clients_) hang_up(client);
}

void ControlSocket::hang_up(Client& client) {
  if (client.fd >= 0) close(client.fd);
  client = {};
}

void ControlSocket::serve(std::chrono::milliseconds patience,
                          const std::function<std::string(std::string_view line)>& answer) {
  std::array<pollfd, clients_max + 1> waits;
  waits[0] = {fd_, POLLIN, 0};
  for (std::size_t i = 0; i < clients_max; ++i) waits[i + 1] = {clients_[i].fd, POLLIN, 0};
  const int ready = poll(waits.data(), waits.size(), static_cast<int>(patience.count()));
  // EINVAL: RLIMIT_NOFILE was lowered below the number of entries. Without a sleep this would spin.
  if (ready < 0 && errno != EINTR) io::sleep_for(patience);
  if (ready <= 0) return;
  for (std::size_t i = 0; i < clients_max; ++i) {
    if (waits[i + 1].revents != 0) read_from(clients_[i], answer);
  }
  if (waits[0].revents != 0) accept_one();
}

void ControlSocket::accept_one() {
  const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE) turn_away();
    return;
  }
  Client* room = find_room();
  if (room == nullptr) {
    send_line(fd, fmt::format("busy: {} others wait already", clients_max));
    close(fd);
    return;
  }
  hang_up(*room);
  room->fd = fd;
  room->number = ++came_;
}

// A free place, or that of the oldest client who has said nothing.
ControlSocket::Client* ControlSocket::find_room() {
  Client* silent = nullptr;
  for (Client& client : clients_) {
    if (client.fd < 0) return &client;
    if (client.spoke) continue;
    if (silent == nullptr || client.number < silent->number) silent = &client;
  }
  return silent;
}

// Uses the spare descriptor to tell a client that there is no other. Else the client would stay in
// the queue, and poll() would return at once for ever.
void ControlSocket::turn_away() {
  if (spare_ >= 0) close(spare_);
  const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) {
    send_line(fd, "busy: no descriptor left (ulimit -n)");
    close(fd);
  } else {
    io::sleep_for(no_descriptor_nap);
  }
  spare_ = eventfd(0, EFD_CLOEXEC);
}

void ControlSocket::read_from(Client& client,
                              const std::function<std::string(std::string_view line)>& answer) {
  std::array<char, line_max> bytes;
  const ssize_t got = recv(client.fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0 || client.line.size() + static_cast<std::size_t>(got) > line_max) {
    return hang_up(client);
  }
  client.line.append(bytes.data(), static_cast<std::size_t>(got));
  for (std::size_t end; (end = client.line.find('\n')) != std::string::npos;) {
    const std::string said = answer(client.line.substr(0, end));
    client.spoke = true;
    client.line.erase(0, end + 1);
    if (said.empty() || !send_line(client.fd, said)) return hang_up(client);
  }
}

void ControlSocket::tell(std::string_view line) {
  for (Client& client : clients_) {
    if (client.fd >= 0 && !send_line(client.fd, line)) hang_up(client);
  }
}

Result<int> connect_to_instance(const std::string& name, std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point deadline = Clock::now() + patience;
  const std::string path = instance_path(name, "sock");
  sockaddr_un address;
  const bool fits = address_of(path, address);
  for (;;) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fits && fd >= 0 &&
        connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
      if (may_be_believed(fd, path)) return fd;
      close(fd);
      return fail(
          Errc::no_permission,
          fmt::format("--name = {}: {} is a socket of another user's; want that of a `salut "
                      "serve` of this user",
                      name, path));
    }
    const int why = fits ? errno : ENAMETOOLONG;
    if (fd >= 0) close(fd);
    if (why != ENOENT && why != ECONNREFUSED) {
      return fail(
          Errc::no_permission,
          fmt::format("--name = {}: cannot connect to {}: {}; want the user of the instance", name,
                      path, std::strerror(why)));
    }
    const std::optional<int> holder = InstanceLock::holder(name);
    if (!holder) {
      return fail(Errc::not_found, fmt::format("--name = {}: no instance runs under this name; "
                                               "want that of a `salut serve` of this user",
                                               name));
    }
    if (Clock::now() >= deadline) {
      return fail(Errc::unsupported,
                  fmt::format("--name = {}: process {} runs under this name and takes no orders; "
                              "want that of a `salut serve`",
                              name, *holder));
    }
    io::sleep_for(std::chrono::milliseconds{20});
  }
}

std::string read_line(int fd) {
  std::string line;
  char byte = 0;
  errno = 0;
  for (;;) {
    const ssize_t got = recv(fd, &byte, 1, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return "";
    if (byte == '\n' || line.size() == answer_max) return printable(line);
    line += byte;
  }
}

}  // namespace salut::service
