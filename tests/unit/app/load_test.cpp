// The load generator's two ends against each other, in virtual time.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "load_fixture.hpp"

namespace salut::app {
namespace {

struct Ranged {
  explicit Ranged(const char* targets, std::uint64_t limit) {
    options.target = load::Targets::parse(targets).value();
    options.slots = 4'096;
    options.limit = limit;
    server = std::make_unique<load::LoadServer>(options.target, options.exchange, 4'096);
    client = std::make_unique<load::LoadClient>(options);
    EXPECT_TRUE(server->start(pair.server()));
    pair.on_server_turn([this](Stack& stack, std::span<const Event> events) {
      for (const Event& event : events) {
        if (event.has(Event::accepted)) ++accepted[event.listener];
      }
      server->on_events(stack, events);
    });
    pair.on_client_turn([this](Stack& stack, std::span<const Event> events) {
      client->on_events(events, ticks_of(stack.now()));
      client->on_turn(stack, ticks_of(stack.now()));
    });
    client->open_concurrent(64);
    EXPECT_TRUE(pair.run_until(
        [&] { return client->totals().attempted >= limit && client->in_flight() == 0; }));
  }
  load::LoadOptions options;
  Pair pair{3};
  std::unique_ptr<load::LoadServer> server;
  std::unique_ptr<load::LoadClient> client;
  std::map<std::uint16_t, std::uint64_t> accepted;
};

TEST(LoadRange, every_port_gets_its_turn) {
  const Ranged load("10.0.0.2:80-89", 10 * load::Targets::block * 10);
  EXPECT_EQ(load.client->totals().closed, 10 * load::Targets::block * 10);
  EXPECT_EQ(load.client->totals().all_failures(), 0u);
  ASSERT_EQ(load.accepted.size(), 10u);
  for (const auto& [listener, count] : load.accepted) EXPECT_EQ(count, 10 * load::Targets::block);
}

// 10.255.255.255 is the broadcast of the link, a /8.
TEST(LoadRange, broadcast_is_passed_over_with_all_its_ports) {
  const Ranged load("10.255.255.254-10.255.255.255:80-89", 1'000);
  EXPECT_EQ(load.client->totals().attempted, 1'000u);
  EXPECT_EQ(load.client->totals().failures(load::Failure::overload), 0u)
      << "none went to the broadcast";
}

struct Case {
  std::uint32_t request;
  std::uint32_t response;
  bool server_closes;
};

class EveryExchange : public testing::TestWithParam<Case> {};

TEST_P(EveryExchange, closes_every_connection_on_the_right_side) {
  const auto [request, response, server_closes] = GetParam();
  for (const bool bad : {false, true}) {
    load::LoadOptions options;
    options.exchange = {request, response, server_closes};
    options.limit = bad ? 100 : 1'000;
    Load load(
        options, 7,
        bad ? sim::Conditions{.loss = 0.01, .delay_max = milliseconds{2}} : sim::Conditions{});
    load.limit = options.limit;
    load.client.begin_window(load.now());
    load.client.open_concurrent(64);
    ASSERT_TRUE(load.run_to_the_end());
    load.pair.run_for(seconds{10});
    load.client.end_window(load.now());

    const load::LoadTotals& totals = load.client.totals();
    EXPECT_EQ(totals.attempted, load.limit);
    EXPECT_EQ(totals.established, load.limit);
    EXPECT_EQ(totals.closed, load.limit);
    EXPECT_EQ(totals.all_failures(), 0u);
    // The first goes alone and is not measured.
    EXPECT_EQ(load.client.window().completed, load.limit - 1);
    EXPECT_EQ(load.client.window().handshake.count(), load.limit - 1);
    EXPECT_EQ(load.client.window().lifetime.count(), load.limit - 1);
    EXPECT_EQ(load.client.window().totals.closed, load.limit - 1);
    EXPECT_EQ(load.server.totals().connections, load.limit);
    Stack& active = server_closes ? load.pair.server() : load.pair.client();
    Stack& passive = server_closes ? load.pair.client() : load.pair.server();
    EXPECT_GE(load.entered(active, State::time_wait), load.limit);
    EXPECT_EQ(load.entered(passive, State::time_wait), 0u);
    EXPECT_EQ(load.pair.client().open_connections(), 0u);
    EXPECT_EQ(load.pair.server().open_connections(), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Load, EveryExchange,
                         testing::Values(Case{0, 0, false}, Case{0, 0, true}, Case{1, 1, false},
                                         Case{100, 3'000, true}, Case{0, 500, false},
                                         Case{0, 500, true}, Case{500, 0, false},
                                         Case{500, 0, true}, Case{100'000, 100'000, false},
                                         Case{100'000, 300'000, true}));

TEST(Stream, arrives_whole_compared_and_only_after_release) {
  for (const double loss : {0.0, 0.01, 0.05}) {
    load::LoadOptions options;
    options.exchange = {.request = 1'000'003, .stream = true, .verify = true};
    options.limit = 7;
    Load load(options, 11, sim::Conditions{.loss = loss, .delay_max = milliseconds{1}});
    load.limit = options.limit;
    load.client.open_concurrent(7);
    ASSERT_TRUE(load.pair.run_until([&] { return load.client.totals().established == 7; }));
    load.pair.run_for(seconds{1});
    EXPECT_EQ(load.client.bytes(), 0u);
    load.client.begin_window(load.now());
    load.client.release();
    ASSERT_TRUE(load.run_to_the_end());
    load.pair.run_for(seconds{10});
    load.client.end_window(load.now());
    EXPECT_EQ(load.client.totals().closed, 7u);
    EXPECT_EQ(load.client.totals().all_failures(), 0u);
    EXPECT_EQ(load.client.bytes(), 7u * 1'000'003);
    EXPECT_EQ(load.server.totals().bytes_in, 7u * 1'000'003);
    EXPECT_EQ(load.server.wrong(), 0u);
    EXPECT_GT(load.client.window().last_end, load.client.window().begin);
    EXPECT_LE(load.client.window().last_end, load.client.window().end);
  }
}

TEST(Stream, endless_one_ends_by_close_when_it_is_told) {
  load::LoadOptions options;
  options.exchange = {.request = load::endless_request, .stream = true, .verify = true};
  options.limit = 3;
  Load load(options);
  load.limit = options.limit;
  load.client.open_concurrent(3);
  ASSERT_TRUE(load.pair.run_until([&] { return load.client.totals().established == 3; }));
  load.client.release();
  load.pair.run_for(milliseconds{200});
  EXPECT_EQ(load.client.in_flight(), 3u);
  load.client.stop_opening(load.now());
  ASSERT_TRUE(load.run_to_the_end());
  load.pair.run_for(seconds{1});
  EXPECT_EQ(load.client.totals().closed, 3u);
  EXPECT_GT(load.client.bytes(), 100'000u);
  EXPECT_EQ(load.server.totals().bytes_in, load.client.bytes());
  EXPECT_EQ(load.server.wrong(), 0u);
}

TEST(Stream, a_server_that_compares_finds_what_is_wrong) {
  load::LoadOptions options;
  options.exchange = {.request = 100'000};  // not the pattern
  options.limit = 1;
  Load load(options, 1, {}, false);
  load::LoadServer server(service, {.request = 100'000, .stream = true, .verify = true}, 16);
  ASSERT_TRUE(server.start(load.pair.server()));
  load.pair.on_server_turn(
      [&](Stack& stack, std::span<const Event> events) { server.on_events(stack, events); });
  load.limit = 1;
  load.client.open_concurrent(1);
  ASSERT_TRUE(load.run_to_the_end());
  EXPECT_GT(server.wrong(), 0u);
}

TEST(Load, rate_is_exact_in_virtual_time) {
  Load load({});
  load.client.open_at_rate(777, load.now());
  // The first connection goes alone; the schedule starts when it is answered.
  ASSERT_TRUE(load.pair.run_until([&] { return load.client.totals().attempted > 1; }));
  const Instant start = load.pair.world().now();
  const std::uint64_t first = load.client.totals().attempted;
  for (int second = 1; second <= 10; ++second) {
    load.pair.run_until([&] { return load.pair.world().now() >= start + seconds{second}; });
    EXPECT_NEAR(static_cast<double>(load.client.totals().attempted - first), 777.0 * second, 2);
  }
  EXPECT_EQ(load.client.totals().all_failures(), 0u);
}

// How many leave in one turn: what falls due in 20 us, or what --burst says. All that were due
// leave in the end.
TEST(Load, opens_of_a_rate_leave_together) {
  constexpr std::uint64_t opens = 1'001;
  for (const std::uint32_t burst : {0u, 1u, 7u, 50u}) {
    Load load({.limit = opens, .burst = burst, .hz = 1e9});
    load.client.open_at_rate(500'000, load.now());
    std::vector<std::uint64_t> together;
    load.pair.on_client_turn([&](Stack& stack, std::span<const Event> events) {
      const std::uint64_t now = load.now();
      load.client.on_events(events, now);
      const bool first_is_over =
          load.client.totals().attempted == 1 && load.client.in_flight() == 0;
      if (!first_is_over) return load.client.on_turn(stack, now);
      // The schedule begins: turns of a microsecond each.
      for (std::uint64_t turn = 0; turn <= 5'000; ++turn) {
        const std::uint64_t before = load.client.totals().attempted;
        load.client.on_turn(stack, now + turn * 1'000);
        if (const std::uint64_t some = load.client.totals().attempted - before; some != 0) {
          together.push_back(some);
        }
      }
    });
    ASSERT_TRUE(load.pair.run_until([&] { return !together.empty(); }));
    EXPECT_EQ(load.client.totals().attempted, opens);
    together.pop_back();  // what was left
    const std::uint64_t wanted = burst == 0 ? 10 : burst;
    EXPECT_EQ(together, std::vector<std::uint64_t>(together.size(), wanted)) << "burst " << burst;
  }
}

// The largest burst at a rate at which it takes a second to fall due: none is late, and all of it
// leaves in one turn.
TEST(Load, opens_that_wait_for_company_are_not_late) {
  constexpr std::uint64_t opens = 10'000;
  Load load({.limit = opens, .burst = load::burst_max, .hz = 1e9});
  load.client.open_at_rate(load::burst_max, load.now());
  std::uint64_t most = 0;
  load.pair.on_client_turn([&](Stack& stack, std::span<const Event> events) {
    const std::uint64_t before = load.client.totals().attempted;
    load.client.on_events(events, load.now());
    load.client.on_turn(stack, load.now());
    most = std::max(most, load.client.totals().attempted - before);
  });
  load.pair.run_for(std::chrono::milliseconds{3'900});
  EXPECT_EQ(most, load::burst_max);
  load.client.stop_opening(load.now());
  EXPECT_EQ(load.client.totals().all_failures(), 0u);
}

// Four workers at 50 a second each: together one every five milliseconds.
TEST(Load, a_phase_moves_the_schedule_by_its_share_of_an_interval) {
  std::vector<Instant> first;
  for (const double phase : {0.0, 0.25, 0.75}) {
    Load load({.phase = phase, .hz = 1e9});
    load.client.open_at_rate(50, load.now());
    ASSERT_TRUE(load.pair.run_until([&] { return load.client.totals().attempted > 1; }));
    first.push_back(load.pair.world().now());
  }
  const auto apart = [&](std::size_t a, std::size_t b) {
    return std::chrono::duration<double, std::milli>(first[b] - first[a]).count();
  };
  EXPECT_NEAR(apart(0, 1), 5, 1);
  EXPECT_NEAR(apart(0, 2), 15, 1);
}

TEST(Load, a_schedule_that_cannot_be_held_counts_what_it_gave_up) {
  Load load({});
  const std::uint64_t start = load.now();
  load.client.open_at_rate(50'000, start);
  ASSERT_TRUE(load.pair.run_until([&] { return load.client.totals().attempted > 1; }));
  // A turn that came ten seconds late: half a million opens were due.
  load.client.on_turn(load.pair.client(), load.now() + 10'000'000'000);
  EXPECT_NEAR(static_cast<double>(load.client.totals().attempted), 500'000, 6'000);
  EXPECT_NEAR(static_cast<double>(load.client.totals().failures(load::Failure::late)), 495'000,
              6'000);
}

TEST(Load, refused_where_nobody_listens) {
  load::LoadOptions options;
  options.limit = 100;
  Load load(options, 1, {}, false);
  load.limit = 100;
  load.client.open_concurrent(10);
  ASSERT_TRUE(load.run_to_the_end());
  EXPECT_EQ(load.client.totals().failures(load::Failure::refused), 100u);
  EXPECT_EQ(load.client.totals().established, 0u);
}

TEST(Load, unreachable_is_counted_by_its_name) {
  load::LoadOptions options;
  options.limit = 5;
  Load load(options);
  load::LoadOptions nowhere = Load::with_defaults(options);
  nowhere.target = Endpoint{IpAddress::v4(0x0a000063), 80};
  load::LoadClient client(nowhere);
  load.pair.on_client_turn([&](Stack& stack, std::span<const Event> events) {
    client.on_events(events, ticks_of(stack.now()));
    client.on_turn(stack, ticks_of(stack.now()));
  });
  client.open_concurrent(5);
  ASSERT_TRUE(load.pair.run_until(
      [&] { return client.totals().attempted == 5 && client.in_flight() == 0; }));
  EXPECT_EQ(client.totals().failures(load::Failure::unreachable), 5u);
}

TEST(Load, hold_keeps_all_until_released) {
  load::LoadOptions options;
  options.limit = 3'000;
  options.hold = true;
  options.exchange = {10, 10, false};
  Load load(options);
  load.client.open_concurrent(0);
  ASSERT_TRUE(load.pair.run_until([&] { return load.client.totals().established == 3'000; }));
  load.pair.run_for(seconds{120});
  EXPECT_EQ(load.client.in_flight(), 3'000u);
  EXPECT_EQ(load.pair.server().open_connections(), 3'000u);
  load.client.release();
  ASSERT_TRUE(load.pair.run_until([&] { return load.client.in_flight() == 0; }));
  EXPECT_EQ(load.client.totals().closed, 3'000u);
  EXPECT_EQ(load.client.totals().all_failures(), 0u);
}

TEST(Load, more_at_once_than_slots_is_no_slot_and_not_a_storm) {
  load::LoadOptions options;
  options.hold = true;
  Load load(options);
  load.client.open_concurrent(0);
  load.pair.run_for(seconds{2});
  EXPECT_EQ(load.client.in_flight(), 4'096u);
  const std::uint64_t refused = load.client.totals().failures(load::Failure::no_slot);
  EXPECT_GT(refused, 0u);
  EXPECT_LT(refused, 3'000u) << "it tries again once in a millisecond";
  EXPECT_EQ(load.client.totals().all_failures(), refused);
}

TEST(Load, a_response_that_ends_early_is_cut_short) {
  load::LoadOptions options;
  options.limit = 50;
  options.exchange = {10, 1'000, false};
  Load load(options);
  load::LoadServer stingy(Endpoint{IpAddress{}, 81}, {10, 999, true}, 4'096);
  ASSERT_TRUE(stingy.start(load.pair.server()));
  load::LoadOptions wrong = Load::with_defaults(options);
  wrong.target = Endpoint{IpAddress::v4(server_ip), 81};
  load::LoadClient client(wrong);
  load.pair.on_server_turn(
      [&](Stack& stack, std::span<const Event> events) { stingy.on_events(stack, events); });
  load.pair.on_client_turn([&](Stack& stack, std::span<const Event> events) {
    client.on_events(events, ticks_of(stack.now()));
    client.on_turn(stack, ticks_of(stack.now()));
  });
  client.open_concurrent(5);
  ASSERT_TRUE(load.pair.run_until(
      [&] { return client.totals().attempted == 50 && client.in_flight() == 0; }));
  EXPECT_EQ(client.totals().failures(load::Failure::cut_short), 50u);
  EXPECT_EQ(client.totals().closed, 0u);
}

TEST(Load, what_is_left_at_the_end_is_reset_and_counted) {
  load::LoadOptions options;
  options.limit = 20;
  options.exchange = {0, 0, true};
  Load load(options);
  load.pair.on_server_turn([](Stack&, std::span<const Event>) {});  // never closes
  load.client.open_concurrent(20);
  load.pair.run_for(seconds{5});
  EXPECT_EQ(load.client.in_flight(), 20u);
  load.client.abort();
  ASSERT_TRUE(load.pair.run_until([&] { return load.client.in_flight() == 0; }));
  EXPECT_EQ(load.client.totals().failures(load::Failure::unfinished), 20u);
}

TEST(Load, a_window_counts_only_whole_lives) {
  Load load({}, 1, {.delay_min = milliseconds{5}, .delay_max = milliseconds{5}});
  load.client.open_concurrent(100);
  load.pair.run_for(seconds{1});
  load.client.begin_window(load.now());
  const std::uint64_t before = load.client.totals().closed;
  load.pair.run_for(seconds{1});
  load.client.end_window(load.now());
  const std::uint64_t closed = load.client.totals().closed - before;
  const load::LoadWindow& window = load.client.window();
  EXPECT_EQ(window.totals.closed, closed);
  EXPECT_LT(window.completed, closed);
  EXPECT_GE(window.completed + 100, closed);
  load.pair.run_for(seconds{1});
  EXPECT_EQ(load.client.window().lifetime.count(), window.completed);
}

}  // namespace
}  // namespace salut::app
