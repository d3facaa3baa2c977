// How connections of a load end, when they do not end as they should: each for its own reason.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "load_fixture.hpp"

namespace salut::app {
namespace {

using load::Failure;

// A server that greets first, as SMTP and SSH do, and closes when its client does.
class Greeter {
 public:
  explicit Greeter(Pair& pair, Duration after = {}) : after_(after) {
    EXPECT_TRUE(pair.server().listen(service));
    pair.on_server_turn([this](Stack& stack, std::span<const Event> events) {
      std::array<std::byte, 64> bytes = {};
      for (const Event& event : events) {
        if (event.has(Event::accepted)) greets_.push_back({event.connection, stack.now() + after_});
        if (event.has(Event::readable)) {
          while (event.connection.read(bytes).value_or(0) != 0) {
          }
        }
        if (event.has(Event::peer_closed)) ended_.push_back(event.connection);
      }
      std::erase_if(greets_, [&](const Greet& greet) {
        if (stack.now() < greet.at) return false;
        greet.connection.write({greeting_.data(), size});
        return true;
      });
      // It greets whoever came, and then sees that it is gone.
      std::erase_if(ended_, [&](Connection connection) {
        const auto is_its = [&](const Greet& greet) { return greet.connection == connection; };
        if (std::ranges::any_of(greets_, is_its)) return false;
        connection.close();
        return true;
      });
    });
  }
  static constexpr std::size_t size = 23;

 private:
  struct Greet {
    Connection connection;
    Instant at;
  };
  Duration after_;
  std::array<std::byte, size> greeting_ = {};
  std::vector<Greet> greets_;
  std::vector<Connection> ended_;
};

TEST(LoadEnds, a_server_that_greets_is_read_and_closed_in_order) {
  for (const std::uint32_t request : {0, 10}) {
    load::LoadOptions options;
    options.limit = 500;
    options.exchange.request = request;
    Load load(options, 5, {.delay_min = milliseconds{1}, .delay_max = milliseconds{3}}, false);
    const Greeter greeter(load.pair);
    load.limit = 500;
    load.client.begin_window(load.now());
    load.client.open_concurrent(20);
    ASSERT_TRUE(load.run_to_the_end());
    EXPECT_EQ(load.client.totals().closed, 500u);
    EXPECT_EQ(load.client.totals().all_failures(), 0u);
    EXPECT_EQ(load.client.totals().unexpected_bytes, 500 * Greeter::size);
    EXPECT_EQ(load.client.window().lifetime.count(), 499u);
  }
}

// Later than the first connection is waited for: once it was seen, the others wait for it.
TEST(LoadEnds, a_greeting_that_comes_late_is_data_after_close_until_it_is_known) {
  load::LoadOptions options;
  options.limit = 100;
  Load load(options, 5, {}, false);
  const Greeter greeter(load.pair, milliseconds{400});
  load.limit = 100;
  load.client.open_concurrent(10);
  ASSERT_TRUE(load.run_to_the_end());
  const load::LoadTotals& totals = load.client.totals();
  EXPECT_LE(totals.failures(Failure::data_after_close), 20u);
  EXPECT_EQ(totals.closed + totals.failures(Failure::data_after_close), 100u);
  EXPECT_EQ(totals.all_failures(), totals.failures(Failure::data_after_close));
}

// Asked for, it is the response.
TEST(LoadEnds, a_greeting_may_be_the_response) {
  load::LoadOptions options;
  options.limit = 50;
  options.exchange.response = Greeter::size;
  Load load(options, 5, {}, false);
  const Greeter greeter(load.pair);
  load.limit = 50;
  load.client.open_concurrent(5);
  ASSERT_TRUE(load.run_to_the_end());
  EXPECT_EQ(load.client.totals().closed, 50u);
  EXPECT_EQ(load.client.totals().unexpected_bytes, 0u);
}

TEST(LoadEnds, closed_by_the_server_while_held_is_a_failure_of_its_own) {
  load::LoadOptions options;
  options.limit = 500;
  options.hold = true;
  Load load(options, 1, {}, false);
  ASSERT_TRUE(load.pair.server().listen(service));
  std::vector<Connection> open;
  load.pair.on_server_turn([&](Stack&, std::span<const Event> events) {
    for (const Event& event : events) {
      if (event.has(Event::accepted)) open.push_back(event.connection);
    }
  });
  load.client.open_concurrent(0);
  ASSERT_TRUE(load.pair.run_until([&] { return load.client.totals().established == 500; }));
  load.pair.run_for(seconds{1});
  for (std::size_t i = 0; i < 400; ++i) open[i].close();
  for (std::size_t i = 400; i < 450; ++i) open[i].abort();
  load.pair.run_for(seconds{5});
  EXPECT_EQ(load.client.totals().failures(Failure::closed_while_held), 400u);
  EXPECT_EQ(load.client.totals().failures(Failure::reset), 50u);
  EXPECT_EQ(load.client.totals().closed, 0u);
}

// 64,512 ports of one address to one server, and none comes back for 60 s.
TEST(LoadEnds, a_rate_without_ports_says_so) {
  StackConfig config = Pair::small_config();
  config.msl = seconds{30};
  config.time_wait = 200'000;
  Load load({}, 1, {}, true, config);
  load.client.open_at_rate(100'000, load.now());
  load.pair.run_for(milliseconds{700});
  EXPECT_GT(load.client.totals().failures(Failure::no_port), 3'000u);
  EXPECT_EQ(load.client.totals().all_failures(), load.client.totals().failures(Failure::no_port));
}

TEST(LoadEnds, a_full_arena_of_time_wait_says_so) {
  StackConfig config = Pair::small_config();
  config.msl = seconds{30};
  config.time_wait = 1'000;
  load::LoadOptions options;
  options.time_wait = 1'000;
  Load load(options, 1, {}, true, config);
  load.client.open_at_rate(10'000, load.now());
  load.pair.run_for(seconds{1});
  EXPECT_GT(load.client.totals().failures(Failure::time_wait_full), 4'000u);
  EXPECT_EQ(load.client.totals().all_failures(),
            load.client.totals().failures(Failure::time_wait_full));
}

TEST(LoadEnds, what_was_due_at_the_end_and_not_started_is_counted) {
  load::LoadOptions options;
  options.limit = 100'000;
  Load load(options);
  load.client.open_at_rate(50'000, load.now());
  load.pair.run_for(milliseconds{500});
  EXPECT_EQ(load.client.totals().all_failures(), 0u);
  const std::uint64_t before = load.client.totals().attempted;
  load.client.stop_opening(load.now() + 50'000'000);  // a turn of 50 ms, and the run is over
  EXPECT_NEAR(static_cast<double>(load.client.totals().attempted - before), 2'500, 60);
  EXPECT_EQ(load.client.totals().failures(Failure::late), load.client.totals().attempted - before);
}

// Answers to more than a burst are on their way: they go first, and what is due meanwhile is late
// because of them.
TEST(LoadEnds, a_rate_that_saturates_the_stack_says_so) {
  Load load({}, 1, {.delay_min = milliseconds{5}, .delay_max = milliseconds{5}});
  load.client.open_at_rate(2'000'000, load.now());
  load.pair.run_for(milliseconds{400});
  EXPECT_GT(load.client.totals().failures(Failure::saturated), 10'000u);
  EXPECT_EQ(load.client.totals().failures(Failure::late), 0u);
}

// What a stop finds due since the turn before is no failure.
TEST(LoadEnds, a_stop_between_two_turns_is_nobodys_failure) {
  Load load({});
  load.client.open_at_rate(50'000, load.now());
  load.pair.run_for(milliseconds{500});
  load.client.stop_opening(load.now() + 1'000'000);
  EXPECT_EQ(load.client.totals().all_failures(), 0u);
}

TEST(LoadEnds, a_closed_loop_that_is_refused_backs_off) {
  Load load({}, 1, {}, false);
  load.client.open_concurrent(256);
  load.pair.run_for(seconds{10});
  const std::uint64_t refused = load.client.totals().failures(Failure::refused);
  EXPECT_GT(refused, 256u * 8);
  EXPECT_LT(refused, 256u * 20) << "each slot: 10, 20, 40 … ms, then once in 1.28 s";
  // It finds the server when that is there.
  ASSERT_TRUE(load.server.start(load.pair.server()));
  load.pair.run_for(seconds{2});
  const std::uint64_t closed = load.client.totals().closed;
  load.pair.run_for(seconds{1});
  EXPECT_GT(load.client.totals().closed, closed + 10'000) << "and rests no more";
}

// The first answer takes a second, since its SYN is lost: that is no figure of the server.
TEST(LoadEnds, the_first_connection_is_not_measured) {
  load::LoadOptions options;
  options.limit = 200;
  Load load(options);
  load.limit = 200;
  load.client.begin_window(load.now());
  const std::uint64_t begin = load.client.window().begin;
  load.client.open_concurrent(10);
  load.client.on_turn(load.pair.client(), load.now());
  EXPECT_EQ(load.client.totals().attempted, 1u) << "it goes alone";
  ASSERT_TRUE(load.run_to_the_end());
  EXPECT_EQ(load.client.totals().closed, 200u);
  EXPECT_EQ(load.client.window().handshake.count(), 199u);
  EXPECT_GT(load.client.window().begin, begin) << "the window begins after it";
}

TEST(LoadEnds, an_only_connection_is_measured) {
  load::LoadOptions options;
  options.limit = 1;
  Load load(options);
  load.limit = 1;
  load.client.begin_window(load.now());
  load.client.open_concurrent(10);
  ASSERT_TRUE(load.run_to_the_end());
  EXPECT_EQ(load.client.window().handshake.count(), 1u);
  EXPECT_EQ(load.client.window().lifetime.count(), 1u);
}

}  // namespace
}  // namespace salut::app
