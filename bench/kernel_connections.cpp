// The kernel's TCP doing what `salut bench` does, for bench/suite to put beside it.
//
//   kernel_connections serve ADDR PORT REQUEST RESPONSE
//   kernel_connections open ADDR PORT REQUEST RESPONSE CONCURRENCY SECONDS LOCALS [LATENCIES]
//
// Each connection: connect, REQUEST bytes there, RESPONSE bytes back, and the server closes first;
// with 0 and 0 bytes the client does. LOCALS: how many addresses, 10.99.1.1 and up, to connect from
// (0: the system's choice), so that ports do not run out while TIME_WAIT holds them. LATENCIES: a
// CSV of how long handshakes took, as `salut bench --latencies` writes.
//
// One thread each, epoll. `serve` ends at SIGTERM. Both print one line of JSON: connections,
// failed, seconds, and the seconds of CPU of the process, where packets that a softirq handles
// within its system calls are counted too.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "kernel.hpp"

namespace {

using namespace salut::bench;

volatile std::sig_atomic_t stopped = 0;

sockaddr_in address_of(const char* address, int port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  if (inet_pton(AF_INET, address, &to.sin_addr) != 1) die("address");
  return to;
}

struct Exchange {
  std::size_t request = 0;
  std::size_t response = 0;
  bool server_closes() const { return request + response != 0; }
};

// What a descriptor's connection is at, by descriptor.
struct Record {
  std::size_t to_read = 0;
  Clock::time_point began;
  bool connecting = false;
};

class Poll {
 public:
  Poll() : fd_(epoll_create1(EPOLL_CLOEXEC)) {}
  void set(int operation, int socket, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = socket;
    if (epoll_ctl(fd_, operation, socket, &event) != 0) die("epoll_ctl");
  }
  template <typename Function>
  void wait(int milliseconds, Function ready) {
    const int n = epoll_wait(fd_, events_.data(), static_cast<int>(events_.size()), milliseconds);
    for (int i = 0; i < n; ++i) {
      const epoll_event& event = events_[static_cast<std::size_t>(i)];
      ready(event.data.fd, event.events);
    }
  }

 private:
  int fd_;
  std::array<epoll_event, 512> events_ = {};
};

template <typename T>
T& at(std::vector<T>& all, int fd) {
  const auto index = static_cast<std::size_t>(fd);
  if (index >= all.size()) all.resize(index + 1);
  return all[index];
}

struct Result {
  std::uint64_t connections = 0;
  std::uint64_t failed = 0;
  void print(double wall, double cpu) const {
    std::printf("{\"connections\": %llu, \"failed\": %llu, \"seconds\": %.6f, \"cpu\": %.6f}\n",
                static_cast<unsigned long long>(connections),
                static_cast<unsigned long long>(failed), wall, cpu);
  }
};

// ---- the server

class Server {
 public:
  Server(const sockaddr_in& local, Exchange exchange)
      : exchange_(exchange), buffer_(std::max<std::size_t>(65'536, exchange.response), 'k') {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int one = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(listener_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (bind(listener_, reinterpret_cast<const sockaddr*>(&local), sizeof(local)) != 0) die("bind");
    if (listen(listener_, 65'535) != 0) die("listen");
    poll_.set(EPOLL_CTL_ADD, listener_, EPOLLIN);
  }

  void run() {
    std::puts("ready");
    std::fflush(stdout);
    Clock::time_point first, last;
    const double cpu = own_cpu();
    while (stopped == 0) {
      poll_.wait(100, [&](int fd, std::uint32_t) {
        last = Clock::now();
        if (result_.connections == 0) first = last;
        fd == listener_ ? accept_all() : serve(fd);
      });
    }
    result_.print(seconds(last - first), own_cpu() - cpu);
  }

 private:
  void accept_all() {
    for (int i = 0; i < 64; ++i) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      ++result_.connections;
      at(records_, fd).to_read = exchange_.request;
      poll_.set(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
  }

  void serve(int fd) {
    Record& record = at(records_, fd);
    const ssize_t n = read(fd, buffer_.data(), buffer_.size());
    if (n < 0 && errno == EAGAIN) return;
    if (n > 0) {
      record.to_read -= std::min(record.to_read, static_cast<std::size_t>(n));
      if (record.to_read != 0) return;
      if (exchange_.response != 0 &&
          send(fd, buffer_.data(), exchange_.response, MSG_NOSIGNAL) < 0) {
        ++result_.failed;
      }
      if (!exchange_.server_closes()) return;
    } else if (n < 0) {
      ++result_.failed;
    }
    close(fd);
  }

  Exchange exchange_;
  std::vector<char> buffer_;
  int listener_ = -1;
  Poll poll_;
  std::vector<Record> records_;
  Result result_;
};

// ---- the client

class Client {
 public:
  Client(const sockaddr_in& target, Exchange exchange, std::uint32_t locals)
      : target_(target),
        exchange_(exchange),
        locals_(locals),
        buffer_(std::max<std::size_t>(65'536, exchange.request), 'c') {}

  void run(int concurrency, double duration) {
    const auto began = Clock::now();
    const auto until = began + std::chrono::duration_cast<Clock::duration>(
                                   std::chrono::duration<double>(duration));
    const double cpu = own_cpu();
    auto now = began;
    for (; now < until && stopped == 0; now = Clock::now()) {
      // Attempts are bounded: one that fails at once is not tried for ever in one turn.
      for (int i = 0; i < concurrency && open_ < concurrency; ++i) begin();
      poll_.wait(10, [&](int fd, std::uint32_t events) { advance(fd, events); });
    }
    result_.print(seconds(now - began), own_cpu() - cpu);
  }

  void write_latencies(const char* file) const {
    std::FILE* const out = std::fopen(file, "w");
    if (out == nullptr) die(file);
    std::fputs("us,count\n", out);
    for (const auto& [step, count] : latencies_) {
      std::fprintf(out, "%.1f,%llu\n", static_cast<double>(step) / 10,
                   static_cast<unsigned long long>(count));
    }
    std::fclose(out);
  }

 private:
  void begin() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) die("socket");
    if (locals_ != 0) {
      const int one = 1;
      setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
      sockaddr_in local = address_of("10.99.1.1", 0);
      local.sin_addr.s_addr = htonl(ntohl(local.sin_addr.s_addr) + next_local_);
      next_local_ = (next_local_ + 1) % locals_;
      if (bind(fd, reinterpret_cast<const sockaddr*>(&local), sizeof(local)) != 0) die("bind");
    }
    Record& record = at(records_, fd);
    record = {exchange_.response, Clock::now(), true};
    const int done = connect(fd, reinterpret_cast<const sockaddr*>(&target_), sizeof(target_));
    if (done != 0 && errno != EINPROGRESS) {
      ++result_.failed;
      close(fd);
      return;
    }
    ++open_;
    poll_.set(EPOLL_CTL_ADD, fd, EPOLLOUT);
  }

  void advance(int fd, std::uint32_t events) {
    Record& record = at(records_, fd);
    if (record.connecting) {
      if ((events & (EPOLLERR | EPOLLHUP)) != 0) return end(fd, false);
      record.connecting = false;
      note_latency(Clock::now() - record.began);
      if (!exchange_.server_closes()) return end(fd, true);
      if (exchange_.request != 0 && send(fd, buffer_.data(), exchange_.request, MSG_NOSIGNAL) < 0) {
        return end(fd, false);
      }
      poll_.set(EPOLL_CTL_MOD, fd, EPOLLIN);
      return;
    }
    const ssize_t n = read(fd, buffer_.data(), buffer_.size());
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) return end(fd, false);
    if (n == 0) return end(fd, record.to_read == 0);
    record.to_read -= std::min(record.to_read, static_cast<std::size_t>(n));
  }

  void end(int fd, bool well) {
    ++(well ? result_.connections : result_.failed);
    --open_;
    close(fd);
  }

  // In tenths of a microsecond below 100, then ever coarser: three digits.
  void note_latency(Clock::duration d) {
    auto tenths = static_cast<std::uint64_t>(seconds(d) * 1e7);
    std::uint64_t scale = 1;
    while (tenths / scale >= 1'000) scale *= 10;
    ++latencies_[tenths / scale * scale];
  }

  sockaddr_in target_;
  Exchange exchange_;
  std::uint32_t locals_;
  std::uint32_t next_local_ = 0;
  std::vector<char> buffer_;
  Poll poll_;
  std::vector<Record> records_;
  std::map<std::uint64_t, std::uint64_t> latencies_;
  int open_ = 0;
  Result result_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int i) { return static_cast<std::size_t>(std::atoll(argv[i])); };
  std::signal(SIGTERM, [](int) { stopped = 1; });
  std::signal(SIGINT, [](int) { stopped = 1; });
  if (argc == 6 && std::strcmp(argv[1], "serve") == 0) {
    Server(address_of(argv[2], std::atoi(argv[3])), {number(4), number(5)}).run();
    return 0;
  }
  if ((argc == 9 || argc == 10) && std::strcmp(argv[1], "open") == 0) {
    Client client(address_of(argv[2], std::atoi(argv[3])), {number(4), number(5)},
                  static_cast<std::uint32_t>(number(8)));
    client.run(std::atoi(argv[6]), std::atof(argv[7]));
    if (argc == 10) client.write_latencies(argv[9]);
    return 0;
  }
  std::fputs(
      "kernel_connections serve ADDR PORT REQUEST RESPONSE\n"
      "kernel_connections open ADDR PORT REQUEST RESPONSE CONCURRENCY SECONDS LOCALS [LATENCIES]\n",
      stderr);
  return 2;
}
