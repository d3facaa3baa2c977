// A whole Runtime whose workers sleep: what the control thread calls reaches them all the same, and
// so do the frames of a wire in memory, which wakes nobody.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "salut/salut.hpp"

namespace salut {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
const Endpoint server{IpAddress::v4(0x0a000002), 7};

PortConfig port(std::string name, std::string peer, std::uint32_t address, std::uint32_t worker) {
  PortConfig port;
  port.name = std::move(name);
  port.peer = std::move(peer);
  port.addresses = {Prefix{IpAddress::v4(address), 24}};
  port.workers = {worker};
  return port;
}

Config config() {
  Config config;
  config.name = "unit-sleep-" + std::to_string(getpid());
  config.hugepages = "off";
  config.workers = 2;
  config.idle = Idle::sleep;
  config.mbufs = 2'048;
  config.stack.connections = config.stack.time_wait = config.stack.buffer_blocks = 64;
  config.ports = {port("client", "server", 0x0a000001, 0), port("server", "client", 0x0a000002, 1)};
  return config;
}

struct Found {
  std::atomic<bool> go = false;
  std::atomic<int> echoed = 0;
};

// Asks for one byte at a time.
void ask(Stack& stack, Found& found) {
  std::array<std::byte, 1> byte = {};
  Connection connection;
  while (!stack.stopping()) {
    if (found.go && !connection) connection = stack.connect(server).value_or(Connection{});
    for (const Event& event : stack.poll(1h)) {
      if (event.has(Event::readable) && event.connection.read(byte)) ++found.echoed;
      if (event.has(Event::connected | Event::readable)) event.connection.write(byte);
    }
  }
}

// By poll() alone, which sleeps only where workers.idle says so.
void echo(Stack& stack) {
  std::array<std::byte, 64> bytes = {};
  while (!stack.stopping()) {
    for (const Event& event : stack.poll()) {
      if (!event.has(Event::readable)) continue;
      if (const auto n = event.connection.read(bytes)) event.connection.write({bytes.data(), *n});
    }
  }
}

TEST(Sleep, calls_and_frames_reach_workers_that_sleep) {
  std::vector<std::string> lines;
  const auto said = [&lines](std::string_view words) {
    return std::ranges::any_of(
        lines, [&](const std::string& line) { return line.find(words) != line.npos; });
  };
  auto runtime = Runtime::open(
      config(), {.log = [&lines](LogLevel, std::string_view line) { lines.emplace_back(line); }});
  ASSERT_TRUE(runtime) << runtime.error().message;
  EXPECT_TRUE(said("EAL: ")) << "of " << lines.size() << " lines";
  // Refused, it takes nothing of the one that is open, its Log neither.
  std::size_t others = 0;
  const Log other = [&others](LogLevel, std::string_view) { ++others; };
  EXPECT_FALSE(Runtime::open(config(), {.log = other}));
  EXPECT_FALSE(Runtime::open(Config{}, {.log = other})) << "what is wrong with it comes first";

  Found found;
  const Clock::time_point begin = Clock::now();
  runtime->start([&found](Stack& stack) { stack.worker() == 0 ? ask(stack, found) : echo(stack); });
  std::this_thread::sleep_for(20ms);
  ASSERT_TRUE(runtime->listen({IpAddress{}, 7}));
  found.go = true;
  EXPECT_EQ(runtime->stack(0).post([](Stack&) {}), Errc::ok);  // looks at `go`
  while (found.echoed < 100) std::this_thread::sleep_for(1ms);
  runtime->drain();
  // Out of poll() and of the application: the other worker is stopped, in its sleep.
  runtime->stack(0).post([](Stack&) { throw std::runtime_error("mine"); });
  EXPECT_THROW(runtime->wait(), std::runtime_error);
  EXPECT_TRUE(said("worker 0 ended with an exception"));
  EXPECT_EQ(others, 0u);
  EXPECT_LT(Clock::now() - begin, 1min);
  for (std::uint32_t worker = 0; worker < 2; ++worker) {
    EXPECT_GT(runtime->stack(worker).loop_stats().slept_cycles, 0u);
    EXPECT_TRUE(runtime->stack(worker).draining());
  }
}

}  // namespace
}  // namespace salut
