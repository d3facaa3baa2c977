// How long a worker that had nothing to do takes to answer, with each workers.idle: a request of
// one byte and its echo, one at a time, with a pause before each in which the server falls asleep.
//
//   bench/idle                    each mode over the embedded wire and, as root, over a TAP
//   bench/idle wire|tap [MODE]    one of them
//   … --requests N                2,000
//
// Over the wire both ends are workers; the client turns without a rest, so that what is measured is
// the server's. Over the TAP, in a network namespace of its own, the client is a thread with a
// socket of the kernel, whose own waking is in the figures. `core` is what the server took of one.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "salut/salut.hpp"

namespace {

using namespace salut;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t client_ip = 0x0a000001;
constexpr std::uint32_t server_ip = 0x0a000002;
const Endpoint server{IpAddress::v4(server_ip), 7};

Idle idle_of(const std::string& mode) {
  return mode == "sleep" ? Idle::sleep : mode == "yield" ? Idle::yield : Idle::spin;
}

// Between a tenth of a millisecond and three, so that no timer's grain falls in step with it.
std::vector<Duration> pauses(int requests) {
  std::mt19937 random(1);
  std::vector<Duration> all;
  for (int i = 0; i < requests; ++i)
    all.emplace_back(std::chrono::microseconds{random() % 2'900 + 100});
  return all;
}

void report(const std::string& where, const std::string& mode, std::vector<double> us,
            double core) {
  std::ranges::sort(us);
  const auto at = [&us](double share) {
    return us[static_cast<std::size_t>(share * static_cast<double>(us.size() - 1))];
  };
  std::printf("%-5s %-6s p50 %8.1f us  p99 %8.1f us  most %8.1f us  core %5.1f %%  n %zu\n",
              where.c_str(), mode.c_str(), at(0.5), at(0.99), us.back(), 100 * core, us.size());
  std::fflush(stdout);
}

void serve(Stack& stack) {
  if (!stack.listen(server)) std::exit(1);
  std::array<std::byte, 64> bytes;
  while (!stack.stopping()) {
    for (const Event& event : stack.poll()) {
      if (event.has(Event::readable)) {
        if (const auto n = event.connection.read(bytes)) event.connection.write({bytes.data(), *n});
      }
      if (event.has(Event::peer_closed)) event.connection.close();
    }
  }
}

double thread_seconds() {
  rusage used = {};
  getrusage(RUSAGE_THREAD, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

// Turns until one of these happens to the connection.
void turn_until(Stack& stack, unsigned what) {
  for (;;) {
    for (const Event& event : stack.poll(Duration{0})) {
      if (event.has(what)) return;
    }
  }
}

std::vector<double> ask_over_wire(Stack& stack, int requests) {
  std::vector<double> us;
  auto made = stack.connect(server, {.options = {.no_delay = true}});
  if (!made) std::exit(1);
  turn_until(stack, Event::connected);
  std::array<std::byte, 64> bytes = {};
  for (const Duration pause : pauses(requests)) {
    const Clock::time_point until = Clock::now() + pause;
    while (Clock::now() < until) stack.poll(Duration{0});
    const Clock::time_point sent = Clock::now();
    if (!made->write({bytes.data(), 1})) std::exit(1);
    turn_until(stack, Event::readable);
    us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - sent).count());
    if (!made->read(bytes)) std::exit(1);
  }
  made->close();
  stack.poll(Duration{0});
  return us;
}

std::vector<double> ask_by_socket(int requests) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(server.port);
  to.sin_addr.s_addr = htonl(server_ip);
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
    std::perror("idle: connect");
    std::_Exit(1);
  }
  std::vector<double> us;
  char byte = 'x';
  for (const Duration pause : pauses(requests)) {
    std::this_thread::sleep_for(pause);
    const Clock::time_point sent = Clock::now();
    if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1) std::_Exit(1);
    us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - sent).count());
  }
  close(fd);
  return us;
}

Config configuration(const std::string& where, const std::string& mode) {
  Config config;
  config.name = "bench-idle-" + std::to_string(getpid());
  config.idle = idle_of(mode);
  config.hugepages = "off";
  config.mbufs = 4'096;
  config.stack.connections = 64;
  config.stack.time_wait = 4'096;
  config.stack.buffer_blocks = 256;
  PortConfig port;
  port.name = "server";
  port.addresses = {Prefix{IpAddress::v4(server_ip), 24}};
  if (where == "tap") {
    port.type = PortType::tap;
    port.interface = "salut-idle";
  } else {
    config.workers = 2;
    port.peer = "client";
    port.workers = {1};
    config.ports.push_back({.name = "client",
                            .peer = "server",
                            .addresses = {Prefix{IpAddress::v4(client_ip), 24}},
                            .workers = {0}});
  }
  config.ports.push_back(port);
  return config;
}

int run(const std::string& where, const std::string& mode, int requests) {
  if (where == "tap" && unshare(CLONE_NEWNET) != 0) {
    std::printf("%-5s %-6s not run: a network namespace needs root\n", where.c_str(), mode.c_str());
    return 0;
  }
  auto runtime = Runtime::open(configuration(where, mode));
  if (!runtime) {
    std::fprintf(stderr, "idle: %s\n", runtime.error().message.c_str());
    return 1;
  }
  std::vector<double> us;
  double core = 0;
  runtime->start([&](Stack& stack) {
    if (where == "wire" && stack.worker() == 0) {
      us = ask_over_wire(stack, requests);
      runtime->stop();
      return;
    }
    const Clock::time_point begin = Clock::now();
    serve(stack);
    core = thread_seconds() / std::chrono::duration<double>(Clock::now() - begin).count();
  });
  if (where == "tap") {
    if (std::system("ip addr add 10.0.0.1/24 dev salut-idle && ip link set salut-idle up") != 0)
      return 1;
    us = ask_by_socket(requests);
    runtime->stop();
  }
  runtime->wait();
  report(where, mode, us, core);
  return 0;
}

struct Asked {
  std::string where, mode;  // empty: all
  int requests = 2'000;
};

constexpr std::array wheres = {"wire", "tap"};
constexpr std::array modes = {"spin", "yield", "sleep"};

bool is_one_of(const auto& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// What is wrong with the arguments, and what would be right; empty if nothing is.
std::string read_arguments(const std::vector<std::string>& arguments, Asked& asked) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--requests") {
      const std::string value = i + 1 < arguments.size() ? arguments[++i] : "";
      const char* const end = value.data() + value.size();
      const auto [at, failed] = std::from_chars(value.data(), end, asked.requests);
      if (failed == std::errc{} && at == end && asked.requests >= 1) continue;
      return "--requests = \"" + value + "\": not a number of requests; want at least 1";
    }
    if (word.starts_with('-')) return word + ": unknown flag; want --requests N";
    if (asked.where.empty()) {
      if (!is_one_of(wheres, word)) return word + ": unknown; want wire or tap";
      asked.where = word;
    } else if (asked.mode.empty()) {
      if (!is_one_of(modes, word)) return word + ": unknown mode; want spin, yield or sleep";
      asked.mode = word;
    } else {
      return word + ": one word too many; want wire|tap [MODE] [--requests N]";
    }
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Asked asked;
  if (const std::string wrong = read_arguments({argv + 1, argv + argc}, asked); !wrong.empty()) {
    std::fprintf(stderr, "idle: %s\n", wrong.c_str());
    return 2;
  }
  if (!asked.mode.empty()) return run(asked.where, asked.mode, asked.requests);
  // DPDK starts once per process: one for each.
  for (const std::string where : wheres) {
    if (!asked.where.empty() && asked.where != where) continue;
    for (const std::string mode : modes) {
      const pid_t child = fork();
      if (child == 0) std::_Exit(run(where, mode, asked.requests));
      int status = 0;
      waitpid(child, &status, 0);
      if (status != 0) return 1;
    }
  }
  return 0;
}
