// The contract of include/salut/connection.hpp, call by call.
#include "harness.hpp"
#include "scarcity.hpp"

namespace salut::test {
namespace {

// Every call on a handle that has ended answers not_connected, whoever has the slot now.
void expect_stale(Harness& h, Connection stale) {
  std::array<std::byte, 4> bytes = {};
  stack::Engine& engine = h.engine();
  EXPECT_EQ(engine.read(stale, bytes).error(), Errc::not_connected);
  EXPECT_EQ(engine.write(stale, bytes).error(), Errc::not_connected);
  EXPECT_EQ(engine.shutdown(stale), Errc::not_connected);
  EXPECT_EQ(engine.close(stale), Errc::not_connected);
  EXPECT_EQ(engine.abort(stale), Errc::not_connected);
  EXPECT_EQ(engine.info(stale).error(), Errc::not_connected);
  EXPECT_EQ(engine.set_user(stale, 1), Errc::not_connected);
}

TEST(Api, stale_handle_not_connected) {
  Harness h;
  h.established();
  const Connection old = h.conn;
  h.send({.flags = "R"});
  h.expect_closed(Reason::reset);
  expect_stale(h, old);
  // The slot goes to another connection: the old handle does not reach it.
  h.peer_nxt = 0;
  h.send({.flags = "S"});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  h.send({});
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.conn.slot(), old.slot());
  EXPECT_NE(h.conn.generation(), old.generation());
  expect_stale(h, old);
  EXPECT_EQ(h.state(), State::established);
}

TEST(Api, handle_of_nothing_not_connected) {
  Harness h;
  h.listen();
  EXPECT_FALSE(Connection{});
  expect_stale(h, Connection{});
  expect_stale(h, Connection(63, 1));
  expect_stale(h, Connection(0x03ff'ffff, 1));
}

TEST(Api, handle_stale_between_the_call_and_its_event) {
  Harness h;
  h.established();
  ASSERT_EQ(h.engine().abort(h.conn), Errc::ok);
  expect_stale(h, h.conn);
  h.settle();
  h.expect({.flags = "RA", .seq = 1, .ack = 1});
  h.expect_closed(Reason::aborted);
}

TEST(Api, read_after_end_of_stream) {
  Harness h;
  h.close_wait();
  EXPECT_EQ(h.read_error(), Errc::end_of_stream);
  EXPECT_EQ(h.read_error(), Errc::end_of_stream);
}

TEST(Api, read_before_anything_came_is_0) {
  Harness h;
  h.established();
  EXPECT_EQ(h.read_error(), Errc::ok);
  std::array<std::byte, 4> bytes = {};
  EXPECT_EQ(h.engine().read(h.conn, bytes).value_or(9), 0u);
}

TEST(Api, write_after_shutdown_not_writable) {
  for (const State state : {State::fin_wait_1, State::fin_wait_2, State::last_ack}) {
    Harness h;
    h.in(state);
    std::array<std::byte, 4> bytes = {};
    EXPECT_EQ(h.engine().write(h.conn, bytes).error(), Errc::not_writable);
    EXPECT_EQ(h.engine().shutdown(h.conn), Errc::not_writable);
    h.settle();
    h.expect_nothing();
  }
}

TEST(Api, close_twice_not_connected) {
  Harness h;
  h.established();
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
  EXPECT_EQ(h.engine().close(h.conn), Errc::not_connected);
  std::array<std::byte, 4> bytes = {};
  EXPECT_EQ(h.engine().read(h.conn, bytes).error(), Errc::not_connected);
  EXPECT_EQ(h.engine().write(h.conn, bytes).error(), Errc::not_writable);
  h.settle();
  h.expect_nothing();
}

TEST(Api, info_counts_bytes_either_way_without_syn_and_fin) {
  for (const Open how : {Open::passive, Open::active}) {
    Harness h;
    h.established(how);
    const auto info = [&] { return h.engine().info(h.conn).value(); };
    EXPECT_EQ(info().bytes_received, 0u);
    EXPECT_EQ(info().bytes_acked, 0u);
    h.send({.payload = std::string(1000, 'x')});
    h.expect_event(Event::readable);
    EXPECT_EQ(info().bytes_received, 1000u);
    h.read();
    EXPECT_EQ(info().bytes_received, 1000u);
    EXPECT_EQ(h.write(std::string(300, 'y')), 300u);
    EXPECT_EQ(info().bytes_acked, 0u);
    h.send({.ack = 201});
    EXPECT_EQ(info().bytes_acked, 200u);
    h.shutdown();
    h.send({.flags = "FA", .ack = 302});
    h.expect_event(Event::peer_closed);
    h.expect_closed(Reason::closed);
    h.sent.clear();
  }
  Harness h;
  h.close_wait();
  EXPECT_EQ(h.write("abc"), 3u);
  EXPECT_EQ(h.engine().info(h.conn)->bytes_received, 0u) << "the FIN is none";
  h.sent.clear();
}

// Options of a connection make its Stream before the peer's sequence is known.
TEST(Api, info_counts_bytes_of_a_connection_opened_with_options) {
  Harness h;
  h.syn_sent();
  EXPECT_EQ(h.engine().set_options(h.conn, {.no_delay = true}), Errc::ok);
  h.send({.flags = "SA", .mss = 1460});
  h.expect_event(Event::connected);
  h.send({.payload = "hello"});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.write("abc"), 3u);
  h.send({.ack = 4});
  EXPECT_EQ(h.engine().info(h.conn)->bytes_received, 5u);
  EXPECT_EQ(h.engine().info(h.conn)->bytes_acked, 3u);
  h.sent.clear();
}

TEST(Api, short_write_then_writable) {
  StackConfig config = small_config();
  config.send_buffer = 4096;
  Harness h(config);
  h.established();
  EXPECT_EQ(h.write(std::string(5000, 'w')), 4096u);
  EXPECT_EQ(h.write("no room"), 0u);
  EXPECT_EQ(h.sent.size(), 3u);
  h.sent.clear();
  h.expect_no_event();
  h.send({.ack = 1461});
  h.expect_event(Event::writable);
  h.send({.ack = 2921});
  h.expect_no_event();  // once
  EXPECT_EQ(h.write(std::string(100, 'w')), 100u);
  h.sent.clear();
  h.send({});
  h.expect({.flags = "A", .seq = 4097, .ack = 1, .len = 100});  // Nagle held it back
  h.expect_no_event();                                          // the last write was not short
}

TEST(Api, write_with_no_blocks_left_takes_none) {
  StackConfig config = small_config();
  config.buffer_blocks = 16;
  Harness h(config);
  h.established();
  h.send({.wnd = 0});
  const std::size_t taken = h.write(std::string(100'000, 'w'));
  EXPECT_EQ(taken, 6u * tcp::block_bytes) << "half of what is not kept for receiving";
  EXPECT_EQ(h.write("x"), 0u);
  h.abort();
  h.expect({.flags = "RA", .seq = 1, .ack = 1});
  h.expect_closed(Reason::aborted);
  EXPECT_EQ(h.engine().context().buffers.available_blocks(), 16u);
}

TEST(Api, receive_with_no_blocks_left_is_not_acknowledged) {
  StackConfig config = small_config();
  config.buffer_blocks = 16;
  Harness h(config);
  // Offered before the pool was used up by somebody else.
  h.established();
  ASSERT_EQ(h.engine().info(h.conn)->rcv_wnd, 14 * tcp::block_bytes / 2);
  Scarcity scarcity(h, 4);
  for (int i = 0; i < 11; ++i) h.queue({.payload = std::string(1460, 'x')});
  h.settle();
  EXPECT_GT(h.drops(Drop::tcp_recv_full), 0u);
  const std::uint32_t held = h.sent.back().segment.ack - h.irs - 1;
  EXPECT_GE(held, 2u * tcp::block_bytes - 1460) << "an eighth of the pool is for who holds little";
  EXPECT_LE(held, 3u * tcp::block_bytes);
  EXPECT_EQ(h.sent.back().segment.ack - h.irs, 1 + held);
  h.sent.clear();
  h.events.clear();
  EXPECT_EQ(h.read().size(), held);
  h.sent.clear();
  scarcity.end();
  h.peer_nxt = 1 + held;
  h.send({.payload = "again"});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.read(), "again");
  h.sent.clear();
}

TEST(Api, user_comes_back_in_every_event) {
  Harness h;
  h.syn_sent();  // connects with 7
  h.send({.flags = "SA"});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  ASSERT_EQ(h.events.size(), 1u);
  EXPECT_EQ(h.events.front().user, 7u);
  EXPECT_EQ(h.events.front().connection, h.conn);
  h.events.clear();
  EXPECT_EQ(h.engine().set_user(h.conn, 8), Errc::ok);
  h.send({.payload = "x"});
  EXPECT_EQ(h.events.front().user, 8u);
  h.events.clear();
  h.sent.clear();
  h.send({.flags = "R"});
  EXPECT_EQ(h.events.front().user, 8u);
  EXPECT_EQ(h.events.front().connection, h.conn);
  h.events.clear();
}

TEST(Api, accepted_names_its_listener_and_has_no_user) {
  Harness h;
  h.established(Open::active);  // leaves a user behind in a slot
  h.send({.flags = "R"});
  h.expect_closed(Reason::reset);
  ASSERT_TRUE(h.engine().listen({our_address(), 90}, 1));
  const std::uint16_t second = h.engine().listen({our_address(), 91}, 1).value();
  h.send({.flags = "S", .seq = 0, .to_port = 91});
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  h.send({.seq = 1, .ack = 1, .to_port = 91});
  ASSERT_EQ(h.events.size(), 1u);
  EXPECT_EQ(h.events.front().listener, second);
  EXPECT_EQ(h.events.front().user, 0u);
  h.events.clear();
}

TEST(Api, handle_names_its_stack) {
  Harness h;
  h.established();
  EXPECT_EQ(h.conn.slot() >> Connection::slot_bits, 3u);
}

// Exactly one `closed`, whatever comes afterwards.
TEST(Api, one_closed_event_however_it_ends) {
  struct Ending {
    State from;
    const char* flags;
    Reason reason;
  };
  for (const Ending& ending : {Ending{State::syn_sent, "RA", Reason::refused},
                               Ending{State::established, "R", Reason::reset},
                               Ending{State::last_ack, "A", Reason::closed},
                               Ending{State::closing, "A", Reason::closed}}) {
    SCOPED_TRACE(name(ending.from));
    Harness h;
    h.in(ending.from);
    h.send({.flags = ending.flags});
    h.expect_closed(ending.reason);
    h.send({.flags = "RA"});
    h.send({.flags = "R"});
    h.advance(200s);
    h.expect_no_event();
    h.expect_nothing();
    EXPECT_EQ(h.counters().ended[static_cast<std::size_t>(ending.reason)], 1u);
    EXPECT_EQ(h.engine().context().tcbs.in_use(), 0u);
  }
}

TEST(Api, unread_data_survives_the_end_of_last_ack) {
  Harness h;
  h.established();
  h.send({.flags = "FA", .payload = "unread"});
  h.expect({.flags = "A", .seq = 1, .ack = 8});
  h.expect_event(Event::readable | Event::peer_closed);
  h.shutdown();
  h.expect({.flags = "FA", .seq = 1, .ack = 8});
  h.send({});
  EXPECT_EQ(h.state(), State::closed);
  h.expect_no_event();
  // The tuple is free although the bytes wait.
  h.send({.flags = "S", .seq = 1000});
  h.expect({.flags = "SA", .seq = 0, .ack = 1001});
  EXPECT_EQ(h.read(3), "unr");
  EXPECT_EQ(h.read(), "ead");
  h.expect_closed(Reason::closed);
}

TEST(Api, unread_data_is_lost_by_a_reset) {
  Harness h;
  h.established();
  h.send({.payload = "unread"});
  h.expect({.flags = "A", .seq = 1, .ack = 7});
  h.expect_event(Event::readable);
  h.send({.flags = "R"});
  h.expect_closed(Reason::reset);
  EXPECT_EQ(h.engine().context().buffers.available_blocks(), h.config().buffer_blocks);
}

TEST(Api, shutdown_in_syn_sent_closes) {
  Harness h;
  h.syn_sent();
  h.shutdown();
  h.expect_nothing();
  h.expect_closed(Reason::closed);
}

TEST(Api, info_tells) {
  Harness h;
  h.established();
  h.send({.wnd = 10});
  h.write(std::string(30, 'w'));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 10});
  h.send({.ack = 1, .wnd = 10, .payload = "abc"});
  h.expect({.flags = "A", .seq = 11, .ack = 4});
  h.expect_event(Event::readable);
  const auto info = h.engine().info(h.conn);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->state, State::established);
  EXPECT_EQ(info->local, (Endpoint{our_address(), our_port}));
  EXPECT_EQ(info->remote, (Endpoint{peer_address(), peer_port}));
  EXPECT_EQ(info->mss, 1460u);
  EXPECT_EQ(info->send_queued, 30u);
  EXPECT_EQ(info->recv_queued, 3u);
  EXPECT_EQ(info->snd_wnd, 10u);
  EXPECT_EQ(info->rcv_wnd, 65'532u);
  EXPECT_EQ(info->cwnd, 14'600u);
  EXPECT_EQ(info->retransmits, 0u);
  h.expect_after(1s, {.flags = "A", .seq = 1, .ack = 4, .len = 10});
  EXPECT_EQ(h.engine().info(h.conn)->retransmits, 1u);
  EXPECT_EQ(h.engine().info(h.conn)->total_retransmits, 1u);
  EXPECT_EQ(h.engine().info(h.conn)->backoff, 1u);
  EXPECT_EQ(h.engine().info(h.conn)->rto_ms, 2'000u);
  EXPECT_EQ(h.engine().info(h.conn)->phase, Phase::loss);
  EXPECT_EQ(h.engine().info(h.conn)->in_flight, 10u);
}

TEST(Api, info_tells_what_was_agreed) {
  StackConfig config = small_config();
  config.recv_buffer = 262'144;
  config.congestion = Congestion::newreno;
  for (const bool all : {false, true}) {
    Harness h(config);
    h.listen();
    In syn = {.flags = "S", .mss = 1460};
    if (all) {
      syn.wscale = 9;
      syn.sack_permitted = true;
    }
    h.send(syn);
    h.sent.clear();
    h.advance(40ms);
    h.send({});
    h.expect_event(Event::accepted);
    const auto info = h.engine().info(h.conn);
    ASSERT_TRUE(info);
    EXPECT_EQ(info->sack, all);
    EXPECT_EQ(info->scaling, all);
    EXPECT_EQ(info->snd_scale, all ? 9 : 0);
    EXPECT_EQ(info->rcv_scale, all ? 3 : 0);
    EXPECT_FALSE(info->timestamps);
    EXPECT_FALSE(info->ecn);
    EXPECT_EQ(info->congestion, Congestion::newreno);
    EXPECT_EQ(info->phase, Phase::open);
  }
}

TEST(Api, info_tells_of_loss) {
  Harness h;
  h.handshake = 100ms;
  h.listen();
  h.send({.flags = "S", .mss = 1460, .sack_permitted = true});
  h.sent.clear();
  h.advance(100ms);
  h.send({});
  h.expect_event(Event::accepted);
  h.write(std::string(10 * 1460, 'd'));
  h.sent.clear();
  h.advance(100ms);
  h.send({.ack = 1, .sack = {1 + 3 * 1460, 1 + 6 * 1460}});
  h.sent.clear();
  const auto info = h.engine().info(h.conn);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->phase, Phase::recovery);
  EXPECT_EQ(info->sacked, 3u * 1460);
  EXPECT_EQ(info->in_flight, 10u * 1460);
  EXPECT_EQ(info->total_retransmits, h.counters().retransmits);
  EXPECT_EQ(info->lost, 3u * 1460);
  EXPECT_EQ(info->ssthresh, 7u * 1460);
  EXPECT_NEAR(info->min_rtt_us, 100'500, 1'000);
  EXPECT_NEAR(info->rttvar_us, 50'000, 2'000);
  h.abort();
  h.sent.clear();
  h.expect_closed(Reason::aborted);
}

TEST(Api, congestion_per_connection_and_per_listener) {
  Harness h;
  h.resolve_peer();
  ASSERT_TRUE(h.engine().listen({any_address(), our_port}, 4, {.congestion = Congestion::newreno}));
  h.settle();
  h.send({.flags = "S", .mss = 1460});
  h.sent.clear();
  h.send({});
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.engine().info(h.conn)->congestion, Congestion::newreno);
  EXPECT_EQ(h.engine().set_options(h.conn, {.congestion = Congestion::cubic}), Errc::ok);
  EXPECT_EQ(h.engine().info(h.conn)->congestion, Congestion::cubic);
}

}  // namespace
}  // namespace salut::test
