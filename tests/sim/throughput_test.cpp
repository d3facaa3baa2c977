// One connection, megabytes, a link with a rate, a delay and a queue, in virtual time: how much of
// the link it gets, what it sends again, and whether the timer had to help.
//
// Floors are derived, not measured. Without loss: the rate, less headers and slow start. With loss
// of probability p: 0.7 of the controller's response function (RFC 5681: MSS/RTT sqrt(3/2p); RFC
// 9438 §5.1: the larger of that and 1.054 MSS / (RTT p^3)^(1/4), RTT in seconds), or of the rate
// where that is less: the functions are means over long times, three seeds are three samples.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "actors.hpp"

namespace salut::sim {
namespace {

using namespace std::chrono_literals;

StackConfig large_buffers() {
  StackConfig config;
  config.connections = 16;
  config.time_wait = 16;
  config.buffer_blocks = 16'384;
  config.send_buffer = 4'000'000;
  config.recv_buffer = 4'000'000;
  return config;
}

struct Transfer {
  Conditions link{.delay_min = 10ms, .delay_max = 10ms, .rate = 12'500'000, .queue = 250'000};
  std::uint64_t bytes = 20'000'000;
  StackConfig config = large_buffers();
  std::uint64_t seed = 1;
};

struct Result {
  double seconds = 0;
  double goodput = 0;  // bytes per second
  std::uint64_t received = 0;
  bool exact = true;
  Counters sender;
  double again = 0;  // share of the segments that were sent again
};

Result transfer(const Transfer& run) {
  World world(run.seed);
  Host& a = world.add_host(0x0a000001, run.config);
  Host& b = world.add_host(0x0a000002, run.config);
  world.join(a, b, run.link);
  EXPECT_TRUE(b.engine->listen({IpAddress{}, 80}, 16));
  const auto made = a.engine->connect({IpAddress::v4(0x0a000002), 80}, {}, 1, world.now());
  EXPECT_TRUE(made);
  Result result;
  std::uint64_t written = 0;
  bool ended = false;
  const Instant start = world.now();
  Instant end = start;
  // Bytes repeat after a prime number of them, so that what slips by whole blocks shows as well.
  std::vector<std::byte> pattern(65'521);
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    pattern[i] = byte_at(run.seed, static_cast<std::uint32_t>(i));
  }
  const auto expected = [&](std::uint64_t at, std::uint64_t most) {
    const std::size_t from = at % pattern.size();
    return std::span(pattern).subspan(from, std::min<std::uint64_t>(most, pattern.size() - from));
  };
  a.on_events = [&](std::span<const Event> events) {
    bool ready = false;
    for (const Event& event : events) {
      ended |= event.has(Event::closed);
      ready |= event.has(Event::connected | Event::writable);
    }
    while (ready && written < run.bytes) {
      const auto bytes = expected(written, run.bytes - written);
      const auto taken = a.engine->write(*made, bytes);
      if (!taken || *taken == 0) return;
      written += *taken;
      if (*taken < bytes.size()) return;
    }
    if (ready) a.engine->shutdown(*made);
  };
  std::vector<std::byte> got(65'536);
  b.on_events = [&](std::span<const Event> events) {
    for (const Event& event : events) {
      if (!event.has(Event::readable | Event::peer_closed)) continue;
      while (const auto n = b.engine->read(event.connection, got)) {
        if (*n == 0) break;
        for (std::size_t i = 0; i < *n;) {
          const auto want = expected(result.received + i, *n - i);
          result.exact &= std::equal(want.begin(), want.end(), &got[i]);
          i += want.size();
        }
        result.received += *n;
      }
      if (event.has(Event::peer_closed)) {
        end = world.now();
        b.engine->close(event.connection);
      }
    }
  };
  while (!ended && end == start && world.now() < start + 30min && world.step(start + 30min)) {
  }
  result.seconds = std::chrono::duration<double>(end - start).count();
  result.goodput = static_cast<double>(result.received) / result.seconds;
  result.sender = a.engine->counters();
  const double segments = static_cast<double>(run.bytes) / 1448;
  result.again = static_cast<double>(result.sender.retransmits) / segments;
  std::cout << "  " << result.goodput * 8 / 1e6 << " Mbit/s in " << result.seconds << " s, "
            << 100 * result.again << " % again, " << result.sender.fast_retransmits
            << " recoveries, " << result.sender.tail_probes << " probes, " << result.sender.timeouts
            << " timeouts, " << result.sender.spurious_recoveries << " undone\n";
  EXPECT_EQ(result.received, run.bytes);
  EXPECT_TRUE(result.exact);
  return result;
}

// Bytes per second that the controller's response function gives.
double response(const Transfer& run, double loss, Congestion congestion) {
  const double rtt = 2 * std::chrono::duration<double>(run.link.delay_min).count();
  const double reno = 1448 / rtt * std::sqrt(1.5 / loss);
  if (congestion == Congestion::newreno) return reno;
  return std::max(reno, 1448 * 1.054 * std::pow(rtt * loss * loss * loss, -0.25));
}

class Loss : public ::testing::TestWithParam<std::tuple<double, Congestion, bool>> {};

TEST_P(Loss, transfer_gets_what_the_controller_promises) {
  const auto [loss, congestion, sack] = GetParam();
  Transfer run;
  run.link.loss = loss;
  run.config.congestion = congestion;
  run.config.sack = sack;
  run.config.recv_buffer = 450'000;  // path and queue hold it: nothing but the link loses
  run.bytes = loss > 0.005 ? 5'000'000 : 20'000'000;
  const double rate = static_cast<double>(run.link.rate) * 1448 / 1514;
  const double promised = std::min(rate, response(run, loss, congestion));
  // How much more than `loss` of so few segments the dice may take: three standard deviations.
  const double unlucky = 3 * std::sqrt(loss * 1448 / static_cast<double>(run.bytes));
  double mean = 0;
  for (run.seed = 1; run.seed <= 3; ++run.seed) {
    const Result result = transfer(run);
    mean += result.goodput / 3;
    EXPECT_LT(result.again, (sack ? 1.2 : 1.5) * loss + unlucky);
    if (sack && loss <= 0.001) {
      EXPECT_EQ(result.sender.timeouts, 0u);
    }
  }
  EXPECT_GT(mean, 0.7 * promised);
}

INSTANTIATE_TEST_SUITE_P(Sack, Loss,
                         ::testing::Combine(::testing::Values(0.001, 0.01, 0.05),
                                            ::testing::Values(Congestion::cubic,
                                                              Congestion::newreno),
                                            ::testing::Values(true)));
INSTANTIATE_TEST_SUITE_P(NoSack, Loss,
                         ::testing::Combine(::testing::Values(0.001, 0.01),
                                            ::testing::Values(Congestion::cubic,
                                                              Congestion::newreno),
                                            ::testing::Values(false)));

TEST(Throughput, clean_link_is_filled) {
  for (const Congestion congestion : {Congestion::cubic, Congestion::newreno}) {
    Transfer run;
    run.config.congestion = congestion;
    run.bytes = 50'000'000;
    const Result result = transfer(run);
    EXPECT_GT(result.goodput, 0.85 * static_cast<double>(run.link.rate));
    EXPECT_EQ(result.sender.timeouts, 0u);
  }
}

TEST(Throughput, clean_link_with_room_for_the_window_loses_nothing) {
  Transfer run;
  run.link.queue = 0xffffffff;
  const Result result = transfer(run);
  EXPECT_GT(result.goodput, 0.88 * static_cast<double>(run.link.rate));
  EXPECT_EQ(result.sender.retransmits, 0u);
}

// Frames that overtake by less than a quarter of a round trip are no loss once that was seen.
TEST(Throughput, reordering_costs_little) {
  Transfer run;
  run.link.late = 0.01;
  run.link.late_by = 3ms;
  run.link.queue = 0xffffffff;
  const Result result = transfer(run);
  EXPECT_GT(result.goodput, 0.8 * static_cast<double>(run.link.rate));
  EXPECT_LT(result.again, 0.002);
  EXPECT_EQ(result.sender.timeouts, 0u);
}

TEST(Throughput, slow_link_small_queue) {
  Transfer run;
  run.link = {.delay_min = 50ms, .delay_max = 50ms, .rate = 125'000, .queue = 15'000};
  run.bytes = 2'000'000;
  const Result result = transfer(run);
  EXPECT_GT(result.goodput, 0.7 * static_cast<double>(run.link.rate));
}

// More segments at once than a port stages: what finds no room waits in its connection.
TEST(Many, six_hundred_connections_write_at_once_no_frame_is_thrown_away) {
  constexpr std::uint32_t count = 600;
  StackConfig config;
  config.connections = 1'024;
  config.time_wait = 1'024;
  World world(1);
  HostOptions options;
  options.frames = 16'384;
  Host& a = world.add_host(IpAddress::v4(0x0a000001), config, options);
  Host& b = world.add_host(IpAddress::v4(0x0a000002), config, options);
  world.join(a, b, {});
  ASSERT_TRUE(b.engine->listen({IpAddress{}, 80}, count));
  std::vector<Connection> all;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto made = a.engine->connect({IpAddress::v4(0x0a000002), 80}, {}, 1, world.now());
    ASSERT_TRUE(made);
    all.push_back(*made);
  }
  std::uint32_t connected = 0;
  a.on_events = [&](std::span<const Event> events) {
    for (const Event& event : events) connected += event.has(Event::connected) ? 1 : 0;
  };
  while (connected < count && world.step(world.now() + 1s)) {
  }
  const std::vector<std::byte> ten_segments(14'480);
  for (const Connection& connection : all) {
    ASSERT_EQ(a.engine->write(connection, ten_segments).value_or(0), ten_segments.size());
  }
  a.wake_at = world.now();
  std::uint64_t received = 0;
  std::vector<std::byte> bytes(65'536);
  b.on_events = [&](std::span<const Event> events) {
    for (const Event& event : events) {
      while (const std::size_t n = b.engine->read(event.connection, bytes).value_or(0))
        received += n;
    }
  };
  const Instant until = world.now() + 30s;
  while (received < count * ten_segments.size() && world.step(until)) {
  }
  EXPECT_EQ(received, count * ten_segments.size());
  EXPECT_EQ(a.engine->counters().drops[static_cast<std::size_t>(Drop::tx_full)], 0u);
}

}  // namespace
}  // namespace salut::sim
