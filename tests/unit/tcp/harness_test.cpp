// The factories are what every other test stands on: here each is held against what two real
// engines do to each other.
#include "harness.hpp"

namespace salut::test {
namespace {

// Two production engines over a perfect link, recording how the connection looks on both sides.
struct Pair {
  Pair() {
    client.engine->listen({any_address(), 81}, 4).value();
    server.engine->listen({any_address(), our_port}, 4).value();
    world.join(client, server, {});
    server.on_events = [this](std::span<const Event> events) {
      for (const Event& event : events) {
        if (event.has(Event::accepted)) accepted = event.connection;
      }
    };
    connected = client.engine->connect({peer_address(), our_port}, {}, 0, world.now()).value();
    world.run_until(world.now() + 100ms);
  }
  void run() { world.run_until(world.now() + 100ms); }

  sim::World world{1};
  sim::Host& client = world.add_host(our_address(), plain_config());
  sim::Host& server = world.add_host(peer_address(), plain_config());
  Connection connected;
  Connection accepted;
};

// What the factory claims of a TCB, in relative numbers.
void expect_same(const tcp::Tcb& made, const Harness& h, const tcp::Tcb& real, std::uint32_t iss,
                 std::uint32_t irs) {
  EXPECT_EQ(made.state, real.state);
  EXPECT_EQ(made.flags, real.flags);
  EXPECT_EQ(made.snd_una.value - h.iss, real.snd_una.value - iss);
  EXPECT_EQ(made.snd_nxt.value - h.iss, real.snd_nxt.value - iss);
  EXPECT_EQ(made.rcv_nxt.value - h.irs, real.rcv_nxt.value - irs);
  EXPECT_EQ(made.rcv_adv.value - h.irs, real.rcv_adv.value - irs);
  // A real peer's window is shorter by the FIN that it took, until it is worth an update.
  EXPECT_NEAR(made.snd_wnd, real.snd_wnd, 1);
  EXPECT_EQ(made.mss, real.mss + (test_mtu() - 1500)) << "the world's links have an MTU of 1500";
  EXPECT_EQ(made.timer_at != 0, real.timer_at != 0);
}

const tcp::Tcb& tcb_of(const stack::Engine& engine, Connection conn) {
  return engine.context().tcbs[conn.slot() & ((1u << Connection::slot_bits) - 1)];
}

TEST(Harness, established_is_what_a_real_handshake_makes) {
  Pair pair;
  const tcp::Tcb& server = tcb_of(*pair.server.engine, pair.accepted);
  const tcp::Tcb& client = tcb_of(*pair.client.engine, pair.connected);
  ASSERT_EQ(server.state, State::established);
  ASSERT_EQ(client.state, State::established);

  Harness passive;
  passive.established(Open::passive);
  expect_same(tcb_of(passive.engine(), passive.conn), passive, server, server.snd_una.value - 1,
              server.rcv_nxt.value - 1);
  Harness active;
  active.established(Open::active);
  expect_same(tcb_of(active.engine(), active.conn), active, client, client.snd_una.value - 1,
              client.rcv_nxt.value - 1);
}

TEST(Harness, fin_wait_2_and_close_wait_are_what_a_real_half_close_makes) {
  Pair pair;
  const std::uint32_t server_iss = tcb_of(*pair.server.engine, pair.accepted).snd_una.value - 1;
  const std::uint32_t client_iss = tcb_of(*pair.client.engine, pair.connected).snd_una.value - 1;
  ASSERT_EQ(pair.client.engine->shutdown(pair.connected), Errc::ok);
  pair.run();

  Harness waits;
  waits.fin_wait_2(Open::active);
  expect_same(tcb_of(waits.engine(), waits.conn), waits,
              tcb_of(*pair.client.engine, pair.connected), client_iss, server_iss);
  Harness closes;
  closes.close_wait(Open::passive);
  expect_same(tcb_of(closes.engine(), closes.conn), closes,
              tcb_of(*pair.server.engine, pair.accepted), server_iss, client_iss);
}

TEST(Harness, time_wait_is_what_a_real_close_makes) {
  Pair pair;
  ASSERT_EQ(pair.client.engine->close(pair.connected), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.server.engine->close(pair.accepted), Errc::ok);
  pair.run();
  const Counters& client = pair.client.engine->counters();
  EXPECT_EQ(client.states[static_cast<std::size_t>(State::time_wait)], 1u);
  EXPECT_EQ(pair.server.engine->open_connections(), 0u);

  Harness h;
  h.time_wait(Open::active);
  EXPECT_EQ(h.state(), State::time_wait);
}

TEST(Harness, both_sides_begin_just_below_the_wrap) {
  Harness h;
  h.established();
  EXPECT_EQ(h.iss, near_wrap);
  EXPECT_EQ(h.irs, near_wrap);
  h.write("over the wrap");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 13, .payload = "over the wrap"});
  h.send({.payload = "and back over it"});
  h.expect({.flags = "A", .seq = 14, .ack = 17});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.read(), "and back over it");
}

TEST(Harness, every_factory_reaches_its_state) {
  for (const Open how : {Open::passive, Open::active}) {
    for (std::size_t s = static_cast<std::size_t>(State::syn_sent); s < state_count; ++s) {
      SCOPED_TRACE(state_names[s]);
      Harness h;
      h.in(static_cast<State>(s), how);
      EXPECT_EQ(h.state(), static_cast<State>(s));
    }
  }
}

}  // namespace
}  // namespace salut::test
