// Closing, in every order (RFC 9293 §3.6, §3.10.4, figures 12 and 13).
#include "harness.hpp"

namespace salut::test {
namespace {

TEST(Close, established_close_fin_wait_1) {
  Harness h;
  h.established();
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 1});
  EXPECT_EQ(h.state(), State::fin_wait_1);
}

TEST(Close, established_fin_close_wait) {
  Harness h;
  h.close_wait();
  EXPECT_EQ(h.state(), State::close_wait);
  EXPECT_EQ(h.read_error(), Errc::end_of_stream);
  h.write("still sending");
  h.expect({.flags = "A", .seq = 1, .ack = 2, .len = 13});
}

TEST(Close, four_segments_active) {
  for (const Open how : {Open::passive, Open::active}) {
    Harness h;
    h.established(how);
    h.close();
    h.expect({.flags = "FA", .seq = 1, .ack = 1});
    h.send({});
    EXPECT_EQ(h.state(), State::fin_wait_2);
    h.send({.flags = "FA"});
    h.expect({.flags = "A", .seq = 2, .ack = 2});
    h.expect_event(Event::peer_closed);
    h.expect_closed(Reason::closed);
    EXPECT_EQ(h.state(), State::time_wait);
  }
}

TEST(Close, four_segments_passive) {
  for (const Open how : {Open::passive, Open::active}) {
    Harness h;
    h.close_wait(how);
    h.close();
    h.expect({.flags = "FA", .seq = 1, .ack = 2});
    EXPECT_EQ(h.state(), State::last_ack);
    h.send({});
    h.expect_nothing();
    h.expect_closed(Reason::closed);
    EXPECT_EQ(h.state(), State::closed);
  }
}

TEST(Close, three_segments_active_without_fin_wait_2) {
  Harness h;
  h.fin_wait_1();
  h.send({.flags = "FA"});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
  EXPECT_EQ(h.state(), State::time_wait);
  EXPECT_EQ(h.counters().states_entered[static_cast<std::size_t>(State::fin_wait_2)], 0u);
  EXPECT_EQ(h.counters().states_entered[static_cast<std::size_t>(State::closing)], 0u);
}

TEST(Close, three_segments_passive_fin_rides_on_the_ack) {
  Harness h;
  h.established();
  h.queue({.flags = "FA"});
  h.turn();  // the event is out, its ACK waits for the application
  h.expect_nothing();
  h.expect_event(Event::peer_closed);
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 2});
  h.send({});
  h.expect_closed(Reason::closed);
}

TEST(Close, established_fin_without_coalescing_acked_at_once) {
  StackConfig config = small_config();
  config.coalesce = false;
  Harness h(config);
  h.established();
  h.queue({.flags = "FA"});
  h.turn();
  h.expect({.flags = "A", .seq = 1, .ack = 2});
  h.expect_event(Event::peer_closed);
}

TEST(Close, fin_wait_1_fin_simultaneous_close) {
  Harness h;
  h.closing();
  EXPECT_EQ(h.state(), State::closing);
  h.send({});
  h.expect_nothing();
  h.expect_closed(Reason::closed);
  EXPECT_EQ(h.state(), State::time_wait);
}

TEST(Close, half_close_with_much_data_flowing_back) {
  Harness h;
  h.fin_wait_2();
  std::string all;
  std::string got;
  for (int i = 0; i < 2000; ++i) {
    const std::string part(1460, static_cast<char>('a' + i % 26));
    h.send({.payload = part});
    all += part;
    h.expect_event(Event::readable);
    got += h.read();
    h.expect({.flags = "A", .seq = 2, .ack = h.peer_nxt});
    h.expect_nothing();
    if (i % 100 == 0) h.advance(10s);
  }
  EXPECT_EQ(got, all);
  EXPECT_EQ(h.state(), State::fin_wait_2);
  h.send({.flags = "FA"});
  h.expect({.flags = "A", .seq = 2, .ack = h.peer_nxt});
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
  EXPECT_EQ(h.state(), State::time_wait);
}

TEST(Close, fin_wait_1_data_reaches_the_reader) {
  Harness h;
  h.fin_wait_1();
  h.send({.ack = 1, .payload = "crossing"});
  h.expect({.flags = "A", .seq = 2, .ack = 9});
  h.expect_event(Event::readable);
  EXPECT_EQ(h.read(), "crossing");
  EXPECT_EQ(h.state(), State::fin_wait_1);
}

TEST(Close, established_fin_with_data) {
  Harness h;
  h.established();
  h.send({.flags = "FA", .payload = "last words"});
  h.expect({.flags = "A", .seq = 1, .ack = 12});
  h.expect_event(Event::readable | Event::peer_closed);
  EXPECT_EQ(h.read(), "last words");
  EXPECT_EQ(h.read_error(), Errc::end_of_stream);
}

TEST(Close, established_close_fin_rides_on_the_last_data) {
  Harness h;
  h.established();
  const std::string text = "last words";
  EXPECT_EQ(*h.engine().write(h.conn, std::as_bytes(std::span(text))), text.size());
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 1, .len = 10, .payload = text});
  h.send({});
  EXPECT_EQ(h.state(), State::fin_wait_2);
}

TEST(Close, established_close_fin_waits_for_all_queued_data) {
  Harness h;
  h.established();
  h.send({.wnd = 100});
  h.write(std::string(250, 'q'));
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 100});
  h.close();
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::fin_wait_1) << "on the event, not on its transmission";
  h.send({.wnd = 100});
  h.expect({.flags = "A", .seq = 101, .ack = 1, .len = 100});
  h.send({.wnd = 100});
  h.expect({.flags = "FA", .seq = 201, .ack = 1, .len = 50});
  h.send({});
  EXPECT_EQ(h.state(), State::fin_wait_2);
}

TEST(Close, close_wait_close_fin_waits_for_all_queued_data) {
  Harness h;
  h.close_wait();
  h.send({.wnd = 100});
  h.write(std::string(150, 'q'));
  h.expect({.flags = "A", .seq = 1, .ack = 2, .len = 100});
  h.close();
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::last_ack) << "on the event, not on its transmission";
  h.send({.wnd = 100});
  h.expect({.flags = "FA", .seq = 101, .ack = 2, .len = 50});
  h.send({});
  h.expect_closed(Reason::closed);
}

TEST(Close, fin_wait_1_fin_with_ack_of_data_only_closing) {
  Harness h;
  h.established();
  const std::string text = "data";
  EXPECT_EQ(*h.engine().write(h.conn, std::as_bytes(std::span(text))), text.size());
  h.shutdown();
  h.expect({.flags = "FA", .seq = 1, .ack = 1, .len = 4});
  h.send({.flags = "FA", .ack = 5});  // the data, not the FIN
  h.expect({.flags = "A", .seq = 6, .ack = 2});
  h.expect_event(Event::peer_closed);
  EXPECT_EQ(h.state(), State::closing);
}

TEST(Close, fin_before_all_data_arrived) {
  Harness h;
  h.established();
  h.send({.flags = "FA", .seq = 5});  // bytes 1..4 are still on their way
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  EXPECT_EQ(h.state(), State::established);
  h.send({.payload = "late"});
  h.expect({.flags = "A", .seq = 1, .ack = 6});
  h.expect_event(Event::readable | Event::peer_closed);
  EXPECT_EQ(h.state(), State::close_wait);
}

TEST(Close, close_with_unread_data_rst) {
  for (const State state : {State::established, State::close_wait}) {
    Harness h;
    h.established();
    const bool fin = state == State::close_wait;
    h.send({.flags = fin ? "FA" : "A", .payload = "unread"});
    h.expect({.flags = "A", .seq = 1, .ack = h.peer_nxt});
    h.expect_event(Event::readable | (fin ? unsigned{Event::peer_closed} : 0u));
    h.close();
    h.expect({.flags = "RA", .seq = 1, .ack = h.peer_nxt});
    h.expect_closed(Reason::aborted);
    EXPECT_EQ(h.state(), State::closed);
  }
}

TEST(Close, close_with_all_read_fin) {
  Harness h;
  h.established();
  h.send({.payload = "read"});
  h.expect({.flags = "A", .seq = 1, .ack = 5});
  h.expect_event(Event::readable);
  h.read();
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 5});
}

TEST(Close, data_after_close_rst) {
  for (const bool acked : {false, true}) {
    Harness h;
    h.established();
    h.close();
    h.expect({.flags = "FA", .seq = 1, .ack = 1});
    if (acked) h.send({});
    h.send({.ack = acked ? 2u : 1u, .payload = "nobody reads this"});
    // At SEG.ACK, where the peer looks for it even if our FIN was lost.
    h.expect({.flags = "R", .seq = acked ? 2u : 1u});
    h.expect_closed(Reason::aborted);
    EXPECT_EQ(h.state(), State::closed);
    EXPECT_EQ(h.drops(Drop::tcp_after_close), 1u);
  }
}

TEST(Close, old_data_after_close_only_acked) {
  Harness h;
  h.established();
  h.send({.payload = "read"});
  h.expect({.flags = "A", .seq = 1, .ack = 5});
  h.expect_event(Event::readable);
  h.read();
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 5});
  h.send({.seq = 1, .ack = 1, .payload = "read"});  // our ACK was lost
  h.expect({.flags = "A", .seq = 2, .ack = 5});
  EXPECT_EQ(h.state(), State::fin_wait_1);
}

TEST(Close, half_close_then_close) {
  Harness h;
  h.fin_wait_2();
  h.close();
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::fin_wait_2);
  h.send({.payload = "too late"});
  h.expect({.flags = "R", .seq = 2});
  h.expect_closed(Reason::aborted);
}

// A burst is looked up as a whole before its first segment is processed: what that one made, moved
// or ended must be seen by the rest.
TEST(Burst, whole_connections_in_a_burst) {
  Harness h;
  h.listen();
  h.iss = near_wrap;
  h.queue({.flags = "S"});
  h.queue({.ack = 1});
  h.queue({.flags = "FA", .ack = 1, .payload = "all"});
  h.queue({.flags = "FA", .seq = 1, .ack = 1, .payload = "all"});
  h.settle();
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  h.expect({.flags = "A", .seq = 1, .ack = 5});
  h.expect_event(Event::accepted);
  h.expect_event(Event::readable | Event::peer_closed);
  EXPECT_EQ(h.read(), "all");
  h.close();
  h.expect({.flags = "FA", .seq = 1, .ack = 5});
  h.queue({});
  h.queue({.flags = "S", .seq = 1000});
  h.settle();
  h.expect_event(Event::closed, Reason::closed);
  h.expect({.flags = "SA", .seq = 0, .ack = 1001});
  EXPECT_EQ(h.state(), State::syn_received);
}

TEST(Burst, syn_behind_the_last_ack_of_a_connection_with_unread_data) {
  Harness h;
  h.established();
  h.send({.flags = "FA", .payload = "unread"});
  h.expect({.flags = "A", .seq = 1, .ack = 8});
  h.expect_event(Event::readable | Event::peer_closed);
  h.shutdown();
  h.expect({.flags = "FA", .seq = 1, .ack = 8});
  const Connection old = h.conn;
  h.queue({});
  h.queue({.flags = "S", .seq = 1000});
  h.settle();
  h.expect({.flags = "SA", .seq = 0, .ack = 1001});
  EXPECT_EQ(h.state(), State::syn_received);
  EXPECT_EQ(h.conn, old);
  EXPECT_EQ(h.read(), "unread");
  h.expect_closed(Reason::closed);
}

TEST(Burst, newer_syn_behind_the_fin_that_begins_time_wait) {
  Harness h;
  h.fin_wait_2();
  h.queue({.flags = "FA"});
  h.queue({.flags = "FA", .seq = 1});
  h.queue({.flags = "S", .seq = 1000});
  const std::uint32_t iss = h.iss;
  h.settle();
  h.iss = iss;  // the numbers below are of the old connection
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  EXPECT_EQ(h.take().segment.flags, wire::syn | wire::ack);
  h.expect_event(Event::peer_closed);
  h.expect_closed(Reason::closed);
  EXPECT_EQ(h.state(), State::syn_received);
}

TEST(Burst, segments_behind_a_rst) {
  Harness h;
  h.established();
  h.queue({.flags = "R"});
  h.queue({.payload = "late"});
  h.settle();
  h.expect({.flags = "R", .seq = 1});
  h.expect_closed(Reason::reset);
}

// --- losses --------------------------------------------------------------------------------------

TEST(CloseLoss, fin_lost_comes_again) {
  Harness h;
  h.fin_wait_1();
  h.expect_after(1s, {.flags = "FA", .seq = 1, .ack = 1});
  h.expect_after(2s, {.flags = "FA", .seq = 1, .ack = 1});
  h.send({});
  EXPECT_EQ(h.state(), State::fin_wait_2);
  h.advance(300s);
  h.expect_nothing();
}

TEST(CloseLoss, fin_of_last_ack_and_closing_lost_comes_again) {
  for (const State state : {State::last_ack, State::closing}) {
    Harness h;
    h.in(state);
    h.expect_after(1s, {.flags = "FA", .seq = 1, .ack = 2});
    h.send({});
    h.expect_closed(Reason::closed);
    EXPECT_EQ(h.state(), state == State::closing ? State::time_wait : State::closed);
  }
}

TEST(CloseLoss, fin_with_data_lost_both_come_again) {
  Harness h;
  h.established();
  const std::string text = "bye";
  EXPECT_EQ(*h.engine().write(h.conn, std::as_bytes(std::span(text))), text.size());
  h.shutdown();
  h.expect({.flags = "FA", .seq = 1, .ack = 1, .len = 3});
  h.expect_after(1s, {.flags = "FA", .seq = 1, .ack = 1, .len = 3, .payload = text});
  h.send({.ack = 4});  // the data, but not the FIN
  EXPECT_EQ(h.state(), State::fin_wait_1);
  h.expect_after(2s, {.flags = "FA", .seq = 4, .ack = 1});  // backed off until a sample
  h.send({.ack = 5});
  EXPECT_EQ(h.state(), State::fin_wait_2);
}

TEST(CloseLoss, ack_of_fin_lost_fin_again_is_acked) {
  for (const State state : {State::close_wait, State::closing, State::last_ack}) {
    SCOPED_TRACE(name(state));
    Harness h;
    h.in(state);
    h.send({.flags = "FA", .seq = 1, .ack = 1});
    h.expect({.flags = "A", .seq = h.our_nxt, .ack = 2});
    h.expect_no_event();
    EXPECT_EQ(h.state(), state);
  }
}

TEST(CloseLoss, last_ack_lost_fin_again_finds_time_wait) {
  Harness h;
  h.time_wait();
  h.send({.flags = "FA", .seq = 1});
  h.expect({.flags = "A", .seq = 2, .ack = 2});
  EXPECT_EQ(h.state(), State::time_wait);
}

TEST(CloseLoss, last_ack_lost_after_closed_rst) {
  Harness h;
  h.last_ack();
  h.send({});
  h.expect_closed(Reason::closed);
  h.send({.flags = "FA", .seq = 1});
  h.expect({.flags = "R", .seq = 2});
}

TEST(CloseLoss, peer_vanishes_timed_out_in_each_state_that_waits_for_an_ack) {
  for (const State state : {State::fin_wait_1, State::closing, State::last_ack}) {
    SCOPED_TRACE(name(state));
    Harness h;
    h.in(state);
    h.advance(99s);
    EXPECT_EQ(h.sent.size(), 6u);
    h.sent.clear();
    h.expect_no_event();
    h.advance(2s);
    h.expect_nothing();
    h.expect_closed(Reason::timed_out);
    EXPECT_EQ(h.state(), State::closed);
  }
}

// Every frame is out: what cannot leave now leaves when there is one again.
TEST(Close, established_close_without_a_frame_sends_fin_later) {
  Harness h;
  h.established();
  std::vector<Frame> held;
  Frame frame;
  while (h.pool().acquire(&frame, 1)) held.push_back(frame);
  h.close();
  h.expect_nothing();
  EXPECT_EQ(h.state(), State::fin_wait_1);
  h.pool().release(held.data(), static_cast<unsigned>(held.size()));
  h.expect_after(1s, {.flags = "FA", .seq = 1, .ack = 1});
  h.abort();
  h.expect({.flags = "RA", .seq = 2, .ack = 1});
  h.expect_closed(Reason::aborted);
}

}  // namespace
}  // namespace salut::test
