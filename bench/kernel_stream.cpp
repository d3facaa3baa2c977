// The kernel's TCP doing what `salut bench --stream` does, for bench/stream to put beside it.
//
//   kernel_stream receive PORT CONNECTIONS              prints bytes, seconds, seconds of CPU
//   kernel_stream send ADDR PORT CONNECTIONS BYTES|Ns   prints seconds of CPU
//
// All connections are made before any of them sends. The receiver's clock runs from the first byte
// to the last; with "5s" instead of bytes the sender resets all connections after so long. CPU is
// what the process used, and at the sender what the ksoftirqd threads did meanwhile.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "kernel.hpp"

namespace {

using namespace salut::bench;

constexpr std::size_t piece = 65'536;

// Of all ksoftirqd threads together: /proc/PID/stat, fields 14 and 15 after the name.
double softirq_cpu() {
  double ticks = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "stat");
    std::string line;
    if (!std::getline(file, line) || line.find("(ksoftirqd/") == std::string::npos) continue;
    unsigned long user = 0, system = 0;
    std::sscanf(line.c_str() + line.rfind(')') + 1,
                " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    ticks += static_cast<double>(user + system);
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// IPv4 as an IPv4-mapped address: all sockets are IPv6's, and the packets are what the peer is.
sockaddr_in6 address_of(std::string address, const char* port) {
  if (address.find(':') == std::string::npos) address = "::ffff:" + address;
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  if (inet_pton(AF_INET6, address.c_str(), &to.sin6_addr) != 1) die("address");
  return to;
}

class Poll {
 public:
  Poll() : fd_(epoll_create1(EPOLL_CLOEXEC)) {}
  void add(int socket, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = socket;
    if (epoll_ctl(fd_, EPOLL_CTL_ADD, socket, &event) != 0) die("epoll_ctl");
  }
  void change(int socket, epoll_event& event) const {
    epoll_ctl(fd_, EPOLL_CTL_MOD, socket, &event);
  }
  template <typename Function>
  void wait(int milliseconds, Function ready) {
    const int n = epoll_wait(fd_, events_.data(), static_cast<int>(events_.size()), milliseconds);
    for (int i = 0; i < n; ++i) ready(events_[static_cast<std::size_t>(i)].data.fd);
  }

 private:
  int fd_;
  std::array<epoll_event, 256> events_ = {};
};

int receive(const char* port, int connections) {
  const sockaddr_in6 local = address_of("::", port);
  const int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (bind(listener, reinterpret_cast<const sockaddr*>(&local), sizeof(local)) != 0) die("bind");
  if (listen(listener, 4'096) != 0) die("listen");
  Poll poll;
  for (int i = 0; i < connections; ++i) {
    const int socket = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) die("accept");
    poll.add(socket, EPOLLIN);
  }
  const double cpu = own_cpu();
  std::vector<char> buffer(piece);
  std::uint64_t bytes = 0;
  Clock::time_point first, last;
  for (int open = connections; open > 0;) {
    // A reset may be lost, too.
    if (bytes != 0 && Clock::now() - last > std::chrono::seconds{3}) break;
    poll.wait(500, [&](int socket) {
      const ssize_t n = read(socket, buffer.data(), buffer.size());
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        close(socket);
        --open;
        return;
      }
      last = Clock::now();
      if (bytes == 0) first = last;
      bytes += static_cast<std::uint64_t>(n);
    });
  }
  std::printf("%llu %.6f %.6f\n", static_cast<unsigned long long>(bytes), seconds(last - first),
              own_cpu() - cpu);
  return 0;
}

int connect_patiently(const sockaddr_in6& to) {
  for (int i = 0; i < 100; ++i) {
    const int socket = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket < 0) die("socket");
    setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);  // as salut has it by default
    if (connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0) return socket;
    close(socket);
    usleep(20'000);  // the receiver is not there yet
  }
  die("connect");
}

int begin_to_connect(const sockaddr_in6& to) {
  const int socket = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) die("socket");
  setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
  const int done = connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  if (done != 0 && errno != EINPROGRESS) die("connect");
  return socket;
}

int send(const char* address, const char* port, int connections, const std::string& much) {
  const sockaddr_in6 to = address_of(address, port);
  const bool timed = much.ends_with("s");
  const double amount = std::atof(much.c_str());
  const std::uint64_t share =
      timed ? ~std::uint64_t{0} >> 1
            : (static_cast<std::uint64_t>(amount) + static_cast<std::uint64_t>(connections) - 1) /
                  static_cast<std::uint64_t>(connections);
  std::vector<int> sockets;
  std::vector<std::uint64_t> left;  // by descriptor
  for (int i = 0; i < connections; ++i) {
    const int socket = i == 0 ? connect_patiently(to) : begin_to_connect(to);
    sockets.push_back(socket);
    left.resize(std::max(left.size(), static_cast<std::size_t>(socket) + 1));
    left[static_cast<std::size_t>(socket)] = share;
  }
  for (const int socket : sockets) {  // side by side: each lost SYN costs a second
    pollfd wait{socket, POLLOUT, 0};
    if (::poll(&wait, 1, 60'000) != 1) die("connect");
  }
  Poll poll;
  usleep(200'000);  // the receiver has accepted all
  for (const int socket : sockets) poll.add(socket, EPOLLOUT | EPOLLRDHUP);
  const double cpu = own_cpu();
  const double softirq = softirq_cpu();
  const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(timed ? amount : 1e6));
  const std::vector<char> buffer(piece, 's');
  std::size_t open = sockets.size();
  while (open > 0 && Clock::now() < until) {
    poll.wait(100, [&](int socket) {
      std::uint64_t& mine = left[static_cast<std::size_t>(socket)];
      if (mine == 0) {  // the receiver has closed: all has arrived
        char nothing;
        if (recv(socket, &nothing, 1, MSG_DONTWAIT) == 0) {
          close(socket);
          --open;
        }
        return;
      }
      const ssize_t n = ::send(socket, buffer.data(), std::min<std::uint64_t>(mine, piece),
                               MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) die("send");
      mine -= static_cast<std::uint64_t>(n);
      if (mine != 0) return;
      shutdown(socket, SHUT_WR);
      epoll_event event{};
      event.events = EPOLLRDHUP;
      event.data.fd = socket;
      poll.change(socket, event);
    });
  }
  const linger hard{1, 0};
  for (const int socket : sockets) {
    if (left[static_cast<std::size_t>(socket)] != 0) {
      setsockopt(socket, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
      close(socket);
    }
  }
  std::printf("%.6f\n", own_cpu() - cpu + softirq_cpu() - softirq);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "receive") == 0)
    return receive(argv[2], std::atoi(argv[3]));
  if (argc == 6 && std::strcmp(argv[1], "send") == 0) {
    return send(argv[2], argv[3], std::atoi(argv[4]), argv[5]);
  }
  std::fputs(
      "kernel_stream receive PORT CONNECTIONS\n"
      "kernel_stream send ADDR PORT CONNECTIONS BYTES|Ns\n",
      stderr);
  return 2;
}
