// Each number of [stack] that no other file varies: another value, another behaviour.
#include <optional>

#include "agreed.hpp"
#include "scarcity.hpp"

namespace salut::test {
namespace {

TEST(Limits, established_r2_configurable) {
  for (const auto r2 : {2s, 5s, 20s}) {
    StackConfig config = small_config();
    config.retry_timeout = r2;
    Harness h(config);
    h.established();
    h.write("x");
    h.advance(r2 - 2 * tick);
    h.sent.clear();
    h.expect_no_event();
    h.advance(10 * tick);  // each retransmission may be one late
    h.expect_nothing();
    h.expect_closed(Reason::timed_out);
  }
}

TEST(Limits, syn_received_r2_configurable) {
  StackConfig config = small_config();
  config.syn_timeout = 5s;
  Harness h(config);
  h.syn_received();
  h.advance(4900ms);
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  EXPECT_EQ(h.state(), State::syn_received);
  h.advance(200ms);
  EXPECT_EQ(h.state(), State::closed);
  h.expect_no_event();
}

TEST(Limits, syn_sent_initial_rto_configurable) {
  StackConfig config = small_config();
  config.rto_initial = 300ms;
  Harness h(config);
  h.syn_sent();
  h.expect_after(300ms, {.flags = "S", .seq = 0});
  h.expect_after(600ms, {.flags = "S", .seq = 0});
}

TEST(Limits, established_minimum_rto_configurable) {
  for (const auto least : {20ms, 200ms, 3000ms}) {
    StackConfig config = small_config();
    config.rto_min = least;
    Harness h(config);
    h.established();
    h.write("r");
    h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
    h.advance(1ms);
    h.send({});
    h.write("x");
    h.expect({.flags = "A", .seq = 2, .ack = 1, .len = 1});
    h.expect_after(least, {.flags = "A", .seq = 2, .ack = 1, .len = 1});
  }
}

TEST(Limits, established_keep_alive_interval_and_probes_configurable) {
  for (const std::uint32_t probes : {1u, 4u}) {
    StackConfig config = small_config();
    config.keep_alive = 7s;
    config.keep_alive_interval = 2s;
    config.keep_alive_probes = probes;
    Harness h(config);
    h.established();
    h.expect_after(7s, {.flags = "A", .seq = 0, .ack = 1});
    for (std::uint32_t i = 1; i < probes; ++i) {
      h.expect_after(2s, {.flags = "A", .seq = 0, .ack = 1});
    }
    h.expect_after(2s, {.flags = "RA", .seq = 1, .ack = 1});
    h.expect_closed(Reason::timed_out);
  }
}

TEST(Limits, syn_sent_quiet_time_is_one_msl_or_off) {
  for (const bool quiet : {true, false}) {
    StackConfig config = small_config();
    config.quiet_time = quiet;
    config.msl = 5s;
    Harness h(config);
    h.resolve_peer();
    const Duration held = h.engine().context().clock.started + 5s - h.now();
    ASSERT_TRUE(h.engine().connect({peer_address(), peer_port}, {}, 0, h.now()));
    h.settle();
    if (!quiet) {
      h.expect({.flags = "S", .seq = 0});
      continue;
    }
    h.expect_nothing();
    h.expect_after(held, {.flags = "S", .seq = 0});
  }
}

// Nothing that happens to a connection in the meantime lets its SYN out.
TEST(Limits, syn_sent_quiet_time_outlasts_calls_and_old_acks) {
  for (const std::string what : {"write", "close", "options", "old ACK", "no blocks"}) {
    SCOPED_TRACE(what);
    StackConfig config = small_config();
    config.quiet_time = true;
    config.msl = 5s;
    if (what == "no blocks") config.buffer_blocks = 16;
    Harness h(config);
    h.resolve_peer();
    const Instant until = h.engine().context().clock.started + 5s;
    h.conn = h.engine()
                 .connect({peer_address(), peer_port}, {our_address(), 50'000}, 0, h.now())
                 .value_or(Connection{});
    h.settle();
    h.advance(1s);
    std::optional<Scarcity> scarcity;
    if (what == "no blocks") {
      scarcity.emplace(h);
      EXPECT_EQ(h.write("early"), 0u);  // looks again after an RTO
    } else if (what == "write" || what == "close") {
      EXPECT_EQ(h.write("early"), 5u);
      if (what == "close") h.close();
    } else if (what == "options") {
      EXPECT_EQ(h.engine().set_options(h.conn, {.no_delay = true}), Errc::ok);
    } else {
      h.send({.seq = 500, .ack = 4711, .to_port = 50'000});
      h.expect({.flags = "R", .seq = 4711});
    }
    h.settle();
    h.expect_nothing();
    h.expect_after(until - h.now(), {.flags = "S", .seq = 0});
    EXPECT_EQ(h.counters().retransmits, 0u);
    h.expect_after(1s, {.flags = "S", .seq = 0});
    EXPECT_EQ(h.counters().retransmits, 1u);
    h.abort();
    h.events.clear();
  }
}

// RFC 9293 §3.4.3 speaks of sending first: who is asked may answer.
TEST(Limits, listen_quiet_time_does_not_hold_answers) {
  StackConfig config = small_config();
  config.quiet_time = true;
  config.msl = 3600s;
  Harness h(config);
  h.resolve_peer();
  ASSERT_TRUE(h.engine().listen({any_address(), our_port}, 4));
  h.send({.flags = "S", .seq = 0});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
}

TEST(Limits, established_initial_window_configurable) {
  for (const std::uint32_t segments : {1u, 3u, 10u, 20u}) {
    StackConfig config = small_config();
    config.initial_window = segments;
    Harness h(config);
    h.established();
    h.write(std::string(40 * 1460, 'w'));
    EXPECT_EQ(h.sent.size(), segments);
    h.sent.clear();
  }
}

TEST(Limits, established_send_buffer_configurable) {
  for (const std::uint32_t bytes : {2'048u, 5'000u, 100'000u}) {
    StackConfig config = small_config();
    config.send_buffer = bytes;
    Harness h(config);
    h.established();
    EXPECT_EQ(h.write(std::string(200'000, 'w')), bytes);
    h.sent.clear();
  }
}

// RFC 9293 §3.9.2 (MUST-49): of a connection's segments and of what is sent without one.
TEST(Limits, ttl_configurable) {
  for (const std::uint32_t ttl : {1u, 64u, 255u}) {
    StackConfig config = small_config();
    config.ttl = ttl;
    Harness h(config);
    h.established();
    const auto of_last = [&] { return h.device().last.at(over_ip6() ? 21 : 22); };
    h.send({.flags = "S", .seq = 0, .mss = 1460, .from_port = peer_port + 2});
    EXPECT_EQ(of_last(), ttl) << "SYN,ACK";
    h.sent.clear();
    h.write("x");
    EXPECT_EQ(of_last(), ttl) << "data";
    h.send({.from_port = peer_port + 1});
    EXPECT_EQ(of_last(), ttl) << "RST";
    h.sent.clear();
  }
}

// What one loss takes: RFC 9438 §4.6, RFC 5681 §3.1 (4).
TEST(Limits, established_congestion_controller_configurable) {
  for (const Congestion controller : {Congestion::cubic, Congestion::newreno}) {
    StackConfig config = only({.sack = true});
    config.congestion = controller;
    Harness h(config);
    agree(h, {.sack = true});
    h.write(std::string(10 * 1460, 'd'));
    h.sent.clear();
    h.send({.ack = 1, .sack = {1461, 1 + 4 * 1460}});
    h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1460});
    h.send({.ack = 1 + 10 * 1460});
    const bool cubic = controller == Congestion::cubic;
    EXPECT_EQ(h.engine().info(h.conn)->cwnd, (cubic ? 7u : 5u) * 1460);
  }
}

TEST(Limits, established_checksums_are_verified_or_not) {
  for (const bool verify : {true, false}) {
    StackConfig config = small_config();
    config.verify_checksums = verify;
    Harness h(config);
    h.established();
    h.queue({.payload = "damaged"});
    h.device().inbox.back().back() ^= 1;
    h.settle();
    EXPECT_EQ(h.drops(Drop::tcp_bad_checksum), verify ? 1u : 0u);
    if (verify) continue;
    h.expect({.flags = "A", .seq = 1, .ack = 8});
    h.expect_event(Event::readable);
  }
}

}  // namespace
}  // namespace salut::test
