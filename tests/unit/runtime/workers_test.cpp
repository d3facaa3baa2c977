// A whole Runtime, real threads: three workers serve one port by one call of listen(), two others
// connect to it. DPDK starts once per process, so one test holds all.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>

#include "salut/salut.hpp"

namespace salut {
namespace {

constexpr std::uint32_t clients = 2;  // the first workers
constexpr std::uint32_t workers = 5;
constexpr std::uint64_t wanted = 400;  // of each client
const Endpoint server{IpAddress::v4(0x0a000002), 80};

PortConfig port(std::string name, std::string peer, std::uint32_t address,
                std::vector<std::uint32_t> of) {
  PortConfig port;
  port.name = std::move(name);
  port.peer = std::move(peer);
  port.addresses = {Prefix{IpAddress::v4(address), 24}};
  port.workers = std::move(of);
  return port;
}

Config config() {
  Config config;
  config.name = "unit-runtime-" + std::to_string(getpid());
  config.hugepages = "off";
  config.workers = workers;
  config.mbufs = 4'096;
  config.stack.connections = 4'096;
  config.stack.time_wait = 4'096;
  config.stack.buffer_blocks = 1'024;
  config.stack.seed = 20;
  config.ports = {port("client", "server", 0x0a000001, {0, 1}),
                  port("server", "client", 0x0a000002, {2, 3, 4})};
  return config;
}

struct Found {
  std::array<std::atomic<std::uint64_t>, workers> accepted = {};
  std::array<std::atomic<std::uint64_t>, workers> closed = {};
  std::atomic<std::uint64_t> refused = 0;
  std::atomic<std::uint64_t> target = 0;  // connections of each client
};

void serve(Stack& stack, Found& found) {
  while (!stack.stopping()) {
    for (const Event& event : stack.poll()) {
      if (event.has(Event::accepted)) ++found.accepted[stack.worker()];
      if (event.has(Event::peer_closed)) event.connection.close();
    }
  }
}

void connect(Stack& stack, Found& found) {
  std::uint64_t opened = 0;
  while (!stack.stopping()) {
    if (opened < found.target && stack.connect(server)) ++opened;
    for (const Event& event : stack.poll()) {
      if (event.has(Event::connected)) event.connection.close();
      if (!event.has(Event::closed)) continue;
      ++(event.reason == Reason::refused ? found.refused : found.closed[stack.worker()]);
    }
  }
}

TEST(Runtime, one_listen_serves_on_all_workers) {
  auto runtime = Runtime::open(config());
  ASSERT_TRUE(runtime) << runtime.error().message;
  // Not that a process, this one, runs under the name.
  const std::string once =
      "DPDK starts once per process, and an open() was tried before; want a new process";
  EXPECT_EQ(Runtime::open(config()).error().message, once);
  EXPECT_EQ(runtime->steering().size(), 2u);

  // Before the start, and away again: nothing of it is left.
  const auto early = runtime->listen({IpAddress{}, 7});
  ASSERT_TRUE(early) << early.error().message;
  EXPECT_FALSE(runtime->listen({IpAddress{}, 7}));
  EXPECT_TRUE(runtime->unlisten(*early));
  EXPECT_EQ(
      runtime->unlisten(*early).error().message,
      "unlisten: listener 0 has ended, or never was; want one that listen() returned and that "
      "still listens");

  // An error names the option, its value and what would be right.
  const auto problem = [&runtime](const ListenOptions& options) {
    const auto listener = runtime->listen({IpAddress{}, 7}, options);
    return listener ? std::string("none") : listener.error().message;
  };
  EXPECT_EQ(problem({.backlog = 0}),
            "listen on 0.0.0.0:7: backlog = 0: out of range; want at least 1");
  ListenOptions small;
  small.options.mss = 5;
  EXPECT_EQ(problem(small), "listen on 0.0.0.0:7: mss = 5: out of range; want 64..65535");
  ListenOptions often;
  often.options.keep_alive_interval = std::chrono::milliseconds{500};
  EXPECT_EQ(problem(often),
            "listen on 0.0.0.0:7: keep_alive_interval = 0.5: out of range; want 1..32767 s");

  Found found;
  runtime->start([&found](Stack& stack) {
    stack.worker() < clients ? connect(stack, found) : serve(stack, found);
  });
  const auto listener = runtime->listen({IpAddress{}, 80});
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_EQ(runtime->listen({IpAddress{}, 80}).error().code, Errc::in_use);
  found.target = wanted;
  while (found.closed[0] + found.closed[1] < clients * wanted) usleep(1'000);

  // A function for each of them, on its own lcore.
  std::atomic<std::uint32_t> posted = 0;
  for (std::uint32_t w = 0; w < workers; ++w) {
    EXPECT_EQ(runtime->stack(w).post([&posted, w](Stack& on) { posted += on.worker() == w; }),
              Errc::ok);
  }
  while (posted < workers) usleep(1'000);

  // From here on nobody listens, on none of them.
  EXPECT_TRUE(runtime->unlisten(*listener));
  EXPECT_EQ(found.refused, 0u);
  found.target = wanted + 20;
  while (found.refused < clients * 20) usleep(1'000);
  runtime->stop();
  runtime->wait();
  EXPECT_EQ(runtime->stack(0).post([](Stack&) { ADD_FAILURE(); }), Errc::stopped);

  std::uint64_t accepted = 0;
  std::uint64_t redirected = 0;
  for (std::uint32_t w = 0; w < workers; ++w) {
    accepted += found.accepted[w];
    redirected += runtime->stack(w).counters().redirected;
    EXPECT_TRUE(w < clients || found.accepted[w] > wanted / workers) << "worker " << w;
  }
  EXPECT_EQ(accepted, clients * wanted);
  EXPECT_GT(redirected, clients * wanted);  // two queues for three workers
}

}  // namespace
}  // namespace salut
