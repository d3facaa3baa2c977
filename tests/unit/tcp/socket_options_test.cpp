// What the owner of a connection may ask for: keepalive, linger, buffers, an active open on a
// listener, and quiet time.
#include "tcp/socket_options.hpp"

#include "harness.hpp"

namespace salut::test {
namespace {

// Idle 10 s, then three probes a second apart.
StackConfig probing() {
  StackConfig config = small_config();
  config.keep_alive = 10s;
  config.keep_alive_interval = 1s;
  config.keep_alive_probes = 3;
  return config;
}

TEST(KeepAlive, established_off_by_default_nothing_is_sent) {
  Harness h;
  h.established();
  h.advance(24h);
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::established);
}

TEST(KeepAlive, established_silent_peer_probed_then_timed_out) {
  Harness h(probing());
  h.established();
  h.expect_after(10s, {.flags = "A", .seq = 0, .ack = 1});
  h.expect_after(1s, {.flags = "A", .seq = 0, .ack = 1});
  h.expect_after(1s, {.flags = "A", .seq = 0, .ack = 1});
  h.expect_no_event();
  h.expect_after(1s, {.flags = "RA", .seq = 1, .ack = 1});
  h.expect_closed(Reason::timed_out);
  EXPECT_EQ(h.state(), State::closed);
}

TEST(KeepAlive, established_interval_and_count_of_its_own) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().set_options(h.conn, {.keep_alive = 10s,
                                            .keep_alive_interval = 1500ms,  // two, rounded up
                                            .keep_alive_probes = 3}),
            Errc::ok);
  h.expect_after(10s, {.flags = "A", .seq = 0, .ack = 1});
  h.expect_after(2s, {.flags = "A", .seq = 0, .ack = 1});
  h.expect_after(2s, {.flags = "A", .seq = 0, .ack = 1});
  h.expect_after(2s, {.flags = "RA", .seq = 1, .ack = 1});
  h.expect_closed(Reason::timed_out);
}

TEST(KeepAlive, interval_and_count_out_of_range_are_refused) {
  Harness h;
  h.established();
  stack::Engine& e = h.engine();
  EXPECT_EQ(e.set_options(h.conn, {.keep_alive_interval = 999ms}), Errc::invalid_argument);
  EXPECT_EQ(e.set_options(h.conn, {.keep_alive_interval = 32'768s}), Errc::invalid_argument);
  EXPECT_EQ(e.set_options(h.conn, {.keep_alive_probes = 0}), Errc::invalid_argument);
  EXPECT_EQ(e.set_options(h.conn, {.keep_alive_probes = 128}), Errc::invalid_argument);
}

TEST(KeepAlive, established_answered_probe_starts_again) {
  Harness h(probing());
  h.established();
  for (int i = 0; i < 5; ++i) {
    h.expect_after(10s, {.flags = "A", .seq = 0, .ack = 1});
    h.send({});
  }
  EXPECT_EQ(h.state(), State::established);
  EXPECT_EQ(h.counters().keep_alives, 5u);
}

// Where the interval is longer than the idle time, each probe finds the peer silent long enough.
TEST(KeepAlive, established_answered_probe_starts_again_with_a_long_interval) {
  StackConfig config = probing();
  config.keep_alive = 2s;
  config.keep_alive_interval = 5s;
  Harness h(config);
  h.established();
  for (int i = 0; i < 10; ++i) {
    h.expect_after(i == 0 ? 2s : 5s, {.flags = "A", .seq = 0, .ack = 1});
    h.send({});
  }
  EXPECT_EQ(h.state(), State::established);
}

TEST(KeepAlive, established_data_puts_the_probe_off) {
  Harness h(probing());
  h.established();
  h.advance(9s);
  h.send({.payload = "x"});
  h.expect({.flags = "A", .seq = 1, .ack = 2});
  h.expect_event(Event::readable);
  h.expect_after(10s, {.flags = "A", .seq = 0, .ack = 2});
  h.send({});
  h.read();
}

TEST(KeepAlive, fin_wait_2_after_half_close_probed) {
  Harness h(probing());
  h.fin_wait_2();
  h.expect_after(10s, {.flags = "A", .seq = 1, .ack = 1});
  h.send({});
  EXPECT_EQ(h.state(), State::fin_wait_2);
}

TEST(KeepAlive, close_wait_silent_peer_timed_out) {
  Harness h(probing());
  h.close_wait();
  for (const auto wait : {10s, 1s, 1s}) h.expect_after(wait, {.flags = "A", .seq = 0, .ack = 2});
  h.expect_after(1s, {.flags = "RA", .seq = 1, .ack = 2});
  h.expect_closed(Reason::timed_out);
}

TEST(KeepAlive, established_probe_of_the_peer_answered) {
  Harness h;
  h.established();
  h.send({.seq = 0});  // one below RCV.NXT
  h.expect({.flags = "A", .seq = 1, .ack = 1});
}

TEST(KeepAlive, option_overrides_the_configuration_both_ways) {
  Harness on;
  on.established();
  EXPECT_EQ(on.engine().set_options(on.conn, {.keep_alive = 5s}), Errc::ok);
  on.settle();
  on.expect_after(5s, {.flags = "A", .seq = 0, .ack = 1});
  Harness off(probing());
  off.established();
  EXPECT_EQ(off.engine().set_options(off.conn, {.keep_alive = 0s}), Errc::ok);
  off.advance(1h);
  off.expect_nothing();
}

// RFC 9293 §3.8.4 (MUST-26): what is in flight has a timer of its own.
TEST(KeepAlive, established_data_in_flight_no_probe) {
  StackConfig config = probing();
  config.rto_min = config.rto_max = 60s;
  Harness h(config);
  h.established();
  h.write("x");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 1});
  h.advance(59s);
  h.expect_nothing();
  EXPECT_EQ(h.counters().keep_alives, 0u);
  h.send({});
  const Duration silent = h.silence(30s);
  EXPECT_GE(silent, 10s - 2 * tick);
  h.expect({.flags = "A", .seq = 1, .ack = 1});
}

// MUST-29: one that is lost says nothing.
TEST(KeepAlive, established_last_probe_answered_goes_on) {
  Harness h(probing());
  h.established();
  for (int i = 0; i < 3; ++i) {
    h.expect_after(10s, {.flags = "A", .seq = 0, .ack = 1});
    h.expect_after(1s, {.flags = "A", .seq = 0, .ack = 1});
    h.expect_after(1s, {.flags = "A", .seq = 0, .ack = 1});
    h.send({});
  }
  EXPECT_EQ(h.state(), State::established);
}

// RFC 5482: 3 s after the first transmission, whatever the backed-off timer would do.
TEST(UserTimeout, established_data_unacknowledged_for_longer_timed_out) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().set_options(h.conn, {.user_timeout = 3s}), Errc::ok);
  h.write("x");
  const Instant start = h.now();
  h.advance(3s - 2 * tick);
  EXPECT_EQ(h.state(), State::established);
  h.sent.clear();
  h.expect_no_event();
  h.advance(4 * tick);
  h.expect_closed(Reason::timed_out);
  EXPECT_LE(h.now() - start, 3s + 2 * tick);
}

TEST(UserTimeout, established_acknowledged_in_time_goes_on) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().set_options(h.conn, {.user_timeout = 3s}), Errc::ok);
  h.write("x");
  h.advance(2'900ms);
  h.sent.clear();
  h.send({});
  h.advance(10s);
  EXPECT_EQ(h.state(), State::established);
}

TEST(Linger, close_with_linger_0_rst) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().set_options(h.conn, {.linger = 0s}), Errc::ok);
  h.close();
  h.expect({.flags = "RA", .seq = 1, .ack = 1});
  h.expect_closed(Reason::aborted);
}

TEST(Linger, fin_wait_1_unacknowledged_when_the_time_has_passed_rst) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().set_options(h.conn, {.linger = 500ms}), Errc::ok);
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
  h.expect_after(500ms, {.flags = "RA", .seq = 2, .ack = 1});
  h.expect_closed(Reason::aborted);
}

TEST(Linger, fin_wait_2_acknowledged_in_time_goes_on) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().set_options(h.conn, {.linger = 500ms}), Errc::ok);
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
  h.send({});
  h.advance(2s);
  EXPECT_EQ(h.state(), State::fin_wait_2);
  h.send({.flags = "FA"});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
}

TEST(Options, out_of_range_refused_and_nothing_changed) {
  Harness h;
  h.established();
  for (const ConnectionOptions& bad :
       {ConnectionOptions{.send_buffer = 2'047}, ConnectionOptions{.recv_buffer = (1u << 30) + 1},
        ConnectionOptions{.keep_alive = -1s}, ConnectionOptions{.user_timeout = -1ns},
        ConnectionOptions{.linger = 24h * 1000}}) {
    EXPECT_EQ(h.engine().set_options(h.conn, bad), Errc::invalid_argument);
  }
  h.settle();
  h.abort();
  h.expect({.flags = "RA", .seq = 1, .ack = 1});
  h.expect_closed(Reason::aborted);
  EXPECT_EQ(h.engine().set_options(h.conn, {}), Errc::not_connected);
}

TEST(Options, first_that_is_wrong_is_named_with_its_value_and_limits) {
  const auto text = [](const ConnectionOptions& options) {
    const auto wrong = tcp::wrong_option(options);
    if (!wrong) return std::string("none");
    return std::string(wrong->name) + " " + std::to_string(wrong->value) + " " + wrong->want();
  };
  EXPECT_EQ(text({.mss = std::uint16_t{63}}), "mss 63.000000 64..65535");
  EXPECT_EQ(text({.mss = std::uint16_t{63}, .dscp = std::uint8_t{64}}), "mss 63.000000 64..65535");
  EXPECT_EQ(text({.dscp = std::uint8_t{64}}), "dscp 64.000000 0..63");
  EXPECT_EQ(text({.keep_alive_interval = 500ms}), "keep_alive_interval 0.500000 1..32767 s");
  EXPECT_EQ(text({.keep_alive_probes = 128}), "keep_alive_probes 128.000000 1..127");
  EXPECT_EQ(text({.recv_buffer = 1}), "recv_buffer 1.000000 2048..1073741824");
  EXPECT_EQ(text({.user_timeout = -1s}), "user_timeout -1.000000 0..2073600 s");
  EXPECT_EQ(text({.linger = 24h * 25}), "linger 2160000.000000 at most 2073600 s");
  EXPECT_EQ(text({.linger = Duration::min()}), "none");
}

TEST(Options, send_buffer_bounds_what_write_takes) {
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().set_options(h.conn, {.send_buffer = 3'000}), Errc::ok);
  const std::string text(5'000, 'w');
  const auto taken = h.engine().write(h.conn, std::as_bytes(std::span(text)));
  EXPECT_EQ(taken.value_or(0), 3'000u);
  h.settle();
  h.sent.clear();
  h.send({});
  h.expect_event(Event::writable);
}

// RFC 9293 §3.9.2 (MUST-48, SHLD-21, SHLD-22): as it was asked for, on every segment.
TEST(Options, dscp_is_that_of_everything_sent) {
  for (const std::uint8_t dscp : {std::uint8_t{0}, std::uint8_t{46}, std::uint8_t{63}}) {
    Harness h;
    h.resolve_peer();
    ASSERT_TRUE(h.engine().listen({any_address(), our_port}, 4, {.dscp = dscp}));
    h.send({.flags = "S", .seq = 0, .mss = 1460});
    EXPECT_EQ(h.take().segment.traffic_class, dscp << 2);
    h.send({.seq = 1, .ack = 1, .payload = "in"});
    h.expect_event(Event::accepted | Event::readable);
    EXPECT_EQ(h.take().segment.traffic_class, dscp << 2);
    h.write("out");
    EXPECT_EQ(h.take().segment.traffic_class, dscp << 2);
    EXPECT_EQ(h.engine().set_options(h.conn, {.dscp = std::uint8_t{8}}), Errc::ok);
    h.abort();
    EXPECT_EQ(h.take().segment.traffic_class, 8 << 2);
    h.expect_closed(Reason::aborted);
  }
  Harness h;
  h.established();
  EXPECT_EQ(h.engine().set_options(h.conn, {.dscp = std::uint8_t{64}}), Errc::invalid_argument);
}

TEST(Options, recv_buffer_of_a_listener_is_the_window_of_its_syn_ack) {
  Harness h;
  h.resolve_peer();
  ASSERT_TRUE(h.engine().listen({any_address(), our_port}, 4, {.recv_buffer = 4'000}));
  h.send({.flags = "S", .seq = 0, .mss = 1460});
  const Seen answer = h.take();
  EXPECT_EQ(answer.segment.wnd, 4'000);
}

TEST(Listen, connect_on_a_listener_syn_sent_from_its_endpoint) {
  Harness h;
  const std::uint16_t listener = h.listen();
  const auto local = h.engine().take_listener(listener);
  ASSERT_TRUE(local);
  EXPECT_EQ(local->port, our_port);
  EXPECT_EQ(h.counters().states[static_cast<std::size_t>(State::listen)], 0u);
  const auto made = h.engine().connect({peer_address(), peer_port}, *local, 0, h.now());
  ASSERT_TRUE(made);
  h.settle();
  const Seen syn = h.take();
  EXPECT_EQ(syn.segment.flags, wire::syn);
  EXPECT_EQ(net16(syn.segment.key.remote_port), our_port) << "as the peer sees us";
  EXPECT_EQ(h.state(), State::syn_sent);
  EXPECT_EQ(h.engine().take_listener(listener).error(), Errc::invalid_argument);
}

TEST(QuietTime, syn_sent_within_one_msl_of_the_start_held) {
  StackConfig config = small_config();
  config.quiet_time = true;
  config.msl = 30s;
  Harness h(config);
  h.resolve_peer();
  const Instant start = h.engine().context().clock.started;
  ASSERT_TRUE(h.engine().connect({peer_address(), peer_port}, {}, 0, h.now()));
  const Duration held = start + 30s - h.now();
  h.settle();
  h.expect_after(held, {.flags = "S", .seq = 0});
  EXPECT_EQ(h.counters().retransmits, 0u);
  h.expect_after(1s, {.flags = "S", .seq = 0});
}

}  // namespace
}  // namespace salut::test
