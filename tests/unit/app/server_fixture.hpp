// A server of src/app and clients that are written here, in virtual time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <random>
#include <string>
#include <utility>

#include "app/application.hpp"
#include "app/stream_server.hpp"
#include "sim_stack.hpp"

namespace salut::app {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr Endpoint service{IpAddress::v4(server_ip), 80};
inline constexpr ServerOptions options{Endpoint{IpAddress{}, 80}, 4'096};
inline const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
inline constexpr sim::Conditions bad_link{
    .loss = 0.02, .duplicate = 0.01, .corrupt = 0.005, .delay_max = milliseconds{3}};

// One connection that sends a text and keeps what comes back.
struct Client {
  std::string to_send;
  bool half_close = false;  // shutdown() after all was sent
  bool reading = true;
  std::string received;
  std::size_t sent = 0;
  bool pushed = false;  // all was sent, and the FIN if it was to be
  bool ended = false;   // the server's FIN was read
  bool closed = false;
  Reason reason = Reason::none;
  Connection connection;

  void open(Stack& stack) { connection = stack.connect(service).value(); }

  void on_event(const Event& event) {
    if (event.has(Event::closed)) {
      closed = true;
      reason = event.reason;
      return;
    }
    push();
    pull();
  }
  void push() {
    if (pushed) return;
    const auto bytes = std::as_bytes(std::span(to_send)).subspan(sent);
    sent += connection.write(bytes).value_or(0);
    pushed = sent == to_send.size();
    if (pushed && half_close) connection.shutdown();
  }
  void pull() {
    std::array<std::byte, 5'000> bytes;
    while (reading && !ended) {
      const auto count = connection.read(bytes);
      if (!count) {
        ended = count.error() == Errc::end_of_stream;
        if (ended) connection.close();
        return;
      }
      if (*count == 0) return;
      received.append(reinterpret_cast<const char*>(bytes.data()), *count);
    }
  }
};

// A server, and clients found by their handles.
struct Fixture {
  Fixture(std::uint64_t seed, Application& application, const sim::Conditions& conditions = {},
          const StackConfig& config = Pair::small_config())
      : pair(seed, conditions, config), served(application) {
    EXPECT_TRUE(served.start(pair.server()));
    pair.on_server_turn(
        [this](Stack& stack, std::span<const Event> events) { served.on_events(stack, events); });
    pair.on_client_turn([this](Stack&, std::span<const Event> events) {
      for (const Event& event : events) {
        for (Client& client : clients) {
          if (client.connection == event.connection) client.on_event(event);
        }
      }
    });
  }
  Client& add(std::string text, bool half_close) {
    Client& client = clients.emplace_back();
    client.to_send = std::move(text);
    client.half_close = half_close;
    client.open(pair.client());
    return client;
  }
  bool all_closed() {
    return pair.run_until([this] { return std::ranges::all_of(clients, &Client::closed); },
                          std::chrono::minutes{20});
  }

  Pair pair;
  Application& served;
  std::deque<Client> clients;
};

}  // namespace salut::app
