#include "service/link_watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <vector>

#include "host/say.hpp"
#include "io/sleep.hpp"

namespace salut::service {

namespace {

constexpr auto period = std::chrono::milliseconds{500};

void watch(const std::stop_token& stop, Runtime& runtime) {
  std::mutex mutex;
  std::condition_variable_any sleeper;
  std::unique_lock lock(mutex);
  while (!sleeper.wait_for(lock, stop, period, [&] { return stop.stop_requested(); })) {
    for (const PortLink& link : runtime.links()) {
      if (link.changed) {
        say(stderr, "salut: port {}: link {}\n", link.port, link.up ? "up" : "down");
      }
    }
  }
}

}  // namespace

LinkWatch::LinkWatch(Runtime& runtime)
    : thread_([&runtime](const std::stop_token& stop) { watch(stop, runtime); }) {}

void LinkWatch::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void wait_for_links(Runtime& runtime, const std::atomic<bool>& interrupted) {
  constexpr auto patience = std::chrono::seconds{60};
  const auto none_is_up = [&] {
    const std::vector<PortLink> links = runtime.links();
    return !links.empty() && std::ranges::none_of(links, &PortLink::up);
  };
  if (!none_is_up()) return;
  say(stderr, "waiting up to 60 s for the other end of {}\n", runtime.links().front().port);
  const auto until = std::chrono::steady_clock::now() + patience;
  do {
    io::sleep_for(std::chrono::milliseconds{50});
  } while (none_is_up() && !interrupted && std::chrono::steady_clock::now() < until);
}

void close_ports(Runtime& runtime) {
  const std::uint64_t missing = runtime.close();
  if (missing != 0) say(stderr, "salut: {} packet buffers did not come back\n", missing);
}

}  // namespace salut::service
