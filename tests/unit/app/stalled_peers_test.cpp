// Peers that ask and do not read their answers, more than any fixed pool would be made for: they
// stall themselves alone.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "app/echo.hpp"
#include "app/http.hpp"
#include "server_fixture.hpp"

namespace salut::app {
namespace {

constexpr int stalled_peers = 5'000;
const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

StackConfig large_config() {
  StackConfig config = Pair::small_config();
  config.connections = 8'192;
  config.buffer_blocks = StackConfig{}.buffer_blocks;
  return config;
}

ServerOptions large_options() {
  ServerOptions large = options;
  large.slots = large_config().connections;
  return large;
}

struct Stalled : Fixture {
  explicit Stalled(std::unique_ptr<Application> server, const StackConfig& config = large_config())
      : Fixture(1, *server, {}, config), application(std::move(server)) {
    pair.on_server_turn([this](Stack& stack, std::span<const Event> events) {
      server_events += events.size();
      application->on_events(stack, events);
    });
  }

  // Each writes what it has to say and reads nothing.
  void stand(const std::string& text) {
    for (int i = 0; i < stalled_peers; ++i) {
      const Connection peer = pair.client().connect(service).value();
      peer.set_options({.send_buffer = 65'536, .recv_buffer = 2'048});
      peer.want(0);
      peer.write(std::as_bytes(std::span(text)));
      peers.push_back(peer);
      if (i % 64 == 63) pair.run_for(milliseconds{1});
    }
    pair.run_for(milliseconds{100});
    ASSERT_EQ(application->totals().connections, static_cast<std::uint64_t>(stalled_peers));
  }
  std::size_t events_in(Duration duration) {
    server_events = 0;
    pair.run_for(duration);
    return server_events;
  }

  std::unique_ptr<Application> application;
  std::vector<Connection> peers;
  std::size_t server_events = 0;
};

std::unique_ptr<Application> http(std::uint64_t page) {
  return std::make_unique<Http>(large_options(), std::make_shared<HttpContent>(page));
}

void expect_an_answer(Stalled& f) {
  Client& honest = f.add(get, true);
  EXPECT_TRUE(f.pair.run_until([&] { return honest.closed; }, seconds{20}));
  EXPECT_EQ(honest.reason, Reason::closed);
  EXPECT_TRUE(honest.received.starts_with("HTTP/1.1 200 OK\r\n")) << honest.received.substr(0, 99);
}

TEST(StalledPeers, http_with_an_unread_answer_each_keep_nobody_from_being_served) {
  Stalled f(http(1'000'000));
  f.stand(get);
  expect_an_answer(f);
}

TEST(StalledPeers, http_with_pipelined_requests_keep_nobody_from_being_served) {
  Stalled f(http(10'000));
  std::string requests;
  for (int i = 0; i < 50; ++i) requests += get;
  f.stand(requests);
  expect_an_answer(f);
}

// Of 8 KiB a quarter fits into the server's send buffer, and another into the peer's window.
TEST(StalledPeers, echo_with_bytes_that_it_cannot_return_serves_others) {
  StackConfig config = large_config();
  config.send_buffer = 2'048;
  Stalled f(std::make_unique<Echo>(large_options()), config);
  f.stand(std::string(8'192, 'x'));
  Client& honest = f.add("hello", true);
  EXPECT_TRUE(f.pair.run_until([&] { return honest.closed; }, seconds{20}));
  EXPECT_EQ(honest.received, "hello");
}

// The end of a peer's stream is a level: whoever cannot read it yet does not ask for it.
TEST(StalledPeers, http_whose_peers_have_closed_do_not_make_the_loop_spin) {
  Stalled f(http(1'000'000));
  f.stand(get + get);
  for (const Connection peer : f.peers) peer.shutdown();
  f.pair.run_for(milliseconds{50});
  EXPECT_LT(f.events_in(milliseconds{50}), 100u);
}

}  // namespace
}  // namespace salut::app
