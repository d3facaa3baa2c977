// Engine::drain(): no new connection, and no reset for anybody.
#include "tcp/harness.hpp"

namespace salut::test {
namespace {

TEST(Drain, listen_syn_dropped_in_silence_and_counted) {
  Harness h;
  h.listen();
  h.engine().drain();
  h.send({.flags = "S", .mss = 1460});
  h.advance(5s);
  h.expect_nothing();
  h.expect_no_event();
  EXPECT_EQ(h.drops(Drop::syn_draining), 1u);
  EXPECT_EQ(h.counters().passive_opens, 0u);
  EXPECT_EQ(h.counters().states[static_cast<std::size_t>(State::listen)], 1u) << "it stays";
}

// An application that stops what it drained closes its listener, and repeated SYNs still come.
TEST(Drain, closed_syn_dropped_in_silence_after_unlisten) {
  Harness h;
  const std::uint16_t listener = h.listen();
  h.engine().drain();
  EXPECT_EQ(h.engine().unlisten(listener), Errc::ok);
  h.send({.flags = "S", .mss = 1460});
  h.expect_nothing();
  EXPECT_EQ(h.drops(Drop::syn_draining), 1u);
}

TEST(Drain, closed_ack_still_answered_with_rst) {
  Harness h;
  h.listen();
  h.engine().drain();
  h.iss = 0;
  h.send({.seq = 1, .ack = 77});
  h.expect({.flags = "R", .seq = 77});
  EXPECT_EQ(h.drops(Drop::tcp_no_connection), 1u);
}

TEST(Drain, syn_received_handshake_completes_and_serves) {
  Harness h;
  h.syn_received();
  h.engine().drain();
  h.send({.flags = "S", .seq = 0, .mss = 1460});  // again: our answer may have been lost
  h.expect({.flags = "SA", .seq = 0, .ack = 1, .mss = 1460});
  h.send({.payload = "hello"});
  h.expect_event(Event::accepted | Event::readable);
  h.expect({.flags = "A", .seq = 1, .ack = 6});
  EXPECT_EQ(h.read(), "hello");
  EXPECT_EQ(h.write("bye"), 3u);
  h.expect({.flags = "A", .seq = 1, .ack = 6, .len = 3, .payload = "bye"});
  EXPECT_EQ(h.engine().open_connections(), 1u);
  EXPECT_EQ(h.drops(Drop::syn_draining), 0u);
}

TEST(Drain, listen_cookie_that_was_sent_before_is_accepted) {
  Harness h;
  h.listen(1);
  h.send({.flags = "S", .seq = 0, .from_port = 7});  // takes the one place in the backlog
  h.take();
  h.send({.flags = "S", .mss = 1460});
  h.take();
  EXPECT_EQ(h.counters().cookies_sent, 1u);
  h.our_nxt = 1;
  h.engine().drain();
  h.send({});
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.counters().cookies_good, 1u);
  h.send({.flags = "S", .seq = 0, .from_port = 8});  // no cookie for this one
  h.expect_nothing();
  EXPECT_EQ(h.drops(Drop::syn_draining), 1u);
}

TEST(Drain, time_wait_syn_leaves_the_record_alone) {
  Harness h;
  h.time_wait();
  h.engine().drain();
  h.send({.flags = "S", .seq = 100'000, .mss = 1460});
  h.expect_nothing();
  EXPECT_EQ(h.drops(Drop::syn_draining), 1u);
  EXPECT_EQ(h.state(), State::time_wait);
}

// From every state a connection goes on to its end as if nothing had happened.
TEST(Drain, synchronized_connection_goes_on) {
  in_each_synchronized_state([](Harness& h, State) {
    h.engine().drain();
    h.engine().drain();  // twice is once
    const std::uint64_t resets = h.counters().resets_sent;
    h.send({.seq = h.peer_nxt, .ack = h.our_nxt});
    EXPECT_EQ(h.counters().resets_sent, resets);
    h.sent.clear();
    h.events.clear();
  });
}

TEST(Drain, connect_still_opens) {
  Harness h;
  h.engine().drain();
  h.established(Open::active);
  EXPECT_EQ(h.state(), State::established);
}

}  // namespace
}  // namespace salut::test
