// What every synchronized state answers the same way: RST, SYN, bad ACKs, segments outside the
// window, ABORT. RFC 9293 §3.10.7.4 steps 1 to 5, RFC 5961.
#include "harness.hpp"

namespace salut::test {
namespace {

std::uint32_t window(Harness& h) { return h.engine().info(h.conn)->rcv_wnd; }

void expect_ack(Harness& h, Where where = Where::current()) {
  h.expect({.flags = "A", .seq = h.our_nxt, .ack = h.peer_nxt}, where);
  h.expect_nothing(where);
}

TEST(Synchronized, any_rst_at_rcv_nxt_closed) {
  in_each_synchronized_state([](Harness& h, State) {
    h.send({.flags = "R"});
    h.expect_nothing();
    h.expect_closed(Reason::reset);
    EXPECT_EQ(h.state(), State::closed);
    EXPECT_EQ(h.counters().resets_received, 1u);
  });
}

TEST(Synchronized, any_rst_ack_at_rcv_nxt_closed) {
  in_each_synchronized_state([](Harness& h, State) {
    h.send({.flags = "RA"});
    h.expect_nothing();
    h.expect_closed(Reason::reset);
  });
}

TEST(Synchronized, any_rst_in_window_challenged) {
  in_each_synchronized_state([](Harness& h, State state) {
    for (const std::uint32_t offset : {1u, window(h) - 1}) {
      h.send({.flags = "R", .seq = h.peer_nxt + offset});
      expect_ack(h);
    }
    EXPECT_EQ(h.state(), state);
    EXPECT_EQ(h.counters().challenge_acks, 2u);
    EXPECT_EQ(h.drops(Drop::tcp_bad_reset), 2u);
  });
}

TEST(Synchronized, any_rst_outside_window_ignored) {
  in_each_synchronized_state([](Harness& h, State state) {
    for (const std::uint32_t offset : {0xffffffffu, window(h), 0x80000000u}) {
      h.send({.flags = "R", .seq = h.peer_nxt + offset});
      h.expect_nothing();
    }
    EXPECT_EQ(h.state(), state);
  });
}

TEST(Synchronized, any_syn_challenged_wherever_it_lies) {
  for (const std::uint32_t offset : {0u, 1u, 0xffffffffu, 0x12345678u, 0x87654321u}) {
    in_each_synchronized_state([offset](Harness& h, State state) {
      h.send({.flags = "S", .seq = h.peer_nxt + offset});
      expect_ack(h);
      h.send({.flags = "SA", .seq = h.peer_nxt + offset});
      expect_ack(h);
      EXPECT_EQ(h.state(), state);
      EXPECT_EQ(h.drops(Drop::tcp_unexpected_syn), 2u);
    });
  }
}

TEST(Synchronized, any_ack_of_what_was_never_sent_challenged) {
  in_each_synchronized_state([](Harness& h, State state) {
    for (const std::uint32_t ahead : {1u, 0x7fffffffu - 65'535u}) {
      h.send({.ack = h.our_nxt + ahead});
      expect_ack(h);
    }
    EXPECT_EQ(h.state(), state);
    EXPECT_EQ(h.drops(Drop::tcp_bad_ack), 2u);
  });
}

TEST(Synchronized, any_ack_far_too_old_challenged) {
  in_each_synchronized_state([](Harness& h, State state) {
    const std::uint32_t una = state == State::fin_wait_2 ? 2 : 1;
    h.send({.ack = una - 65'536});
    expect_ack(h);
    h.send({.ack = una - 65'535});  // may be an honest duplicate
    h.expect_nothing();
    EXPECT_EQ(h.state(), state);
    EXPECT_EQ(h.drops(Drop::tcp_bad_ack), 1u);
  });
}

TEST(Synchronized, any_bad_ack_brings_no_text) {
  Harness h;
  h.established();
  h.send({.seq = 1, .ack = 2, .payload = "forged"});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.expect_no_event();
}

TEST(Synchronized, any_segment_outside_the_window_acked) {
  in_each_synchronized_state([](Harness& h, State state) {
    const std::uint32_t edge = h.peer_nxt + window(h);
    h.send({.seq = h.peer_nxt - 1, .payload = "x"});
    expect_ack(h);
    h.send({.seq = edge, .payload = "x"});
    expect_ack(h);
    h.send({.flags = "A", .seq = edge + 2});  // at the edge it may be the SND.NXT of a peer
    expect_ack(h);
    h.send({.flags = "FA", .seq = edge + 1});
    expect_ack(h);
    EXPECT_EQ(h.state(), state);
    EXPECT_EQ(h.drops(Drop::tcp_out_of_window), 4u);
    h.expect_no_event();
  });
}

TEST(Synchronized, any_ack_outside_the_window_is_not_taken) {
  Harness h;
  h.fin_wait_1();
  h.send({.flags = "A", .seq = 0x40000000, .ack = 2});
  expect_ack(h);
  EXPECT_EQ(h.state(), State::fin_wait_1);
}

TEST(Synchronized, any_segment_without_ack_dropped) {
  in_each_synchronized_state([](Harness& h, State state) {
    h.send({.flags = "", .seq = h.peer_nxt});
    h.send({.flags = "F", .seq = h.peer_nxt});
    h.send({.flags = "PU", .seq = h.peer_nxt, .payload = "x"});
    h.expect_nothing();
    h.expect_no_event();
    EXPECT_EQ(h.state(), state);
    EXPECT_EQ(h.drops(Drop::tcp_no_ack), 3u);
  });
}

TEST(Synchronized, any_pure_ack_changes_nothing) {
  in_each_synchronized_state([](Harness& h, State state) {
    h.send({.ack = state == State::fin_wait_2 ? 2u : 1u});
    h.expect_nothing();
    EXPECT_EQ(h.state(), state);
  });
}

TEST(Synchronized, challenge_acks_are_limited_for_each_connection) {
  Harness h;
  h.established();
  for (int second = 0; second < 3; ++second) {
    const std::uint64_t limited = h.drops(Drop::tcp_challenge_limited);
    for (int i = 0; i < 100; ++i) h.send({.flags = "R", .seq = h.peer_nxt + 7});
    EXPECT_EQ(h.sent.size(), 2u);
    EXPECT_EQ(h.drops(Drop::tcp_challenge_limited) - limited, 98u);
    h.sent.clear();
    h.advance(1100ms);
  }
}

// CVE-2016-5696: what one connection is answered must say nothing of what another was, and the
// probes of healthy ones are answered whatever a stranger sends on his own.
TEST(Synchronized, challenge_acks_of_one_connection_leave_the_others_theirs) {
  Harness h;
  h.established();
  const Connection first = h.conn;
  const std::uint32_t iss = h.iss;
  h.send({.flags = "S", .seq = 0, .mss = 1460, .from_port = peer_port + 1});
  h.sent.clear();
  h.send({.seq = 1, .ack = 1, .from_port = peer_port + 1});
  h.events.clear();
  for (int i = 0; i < 5000; ++i) {
    h.send({.flags = "R", .seq = 8, .from_port = peer_port + 1});
    h.send({.seq = 1 + 70'000, .ack = 1, .from_port = peer_port + 1});
    if (h.sent.size() > 100) h.sent.resize(1);
  }
  h.sent.clear();
  h.conn = first;
  h.iss = iss;
  h.send({.seq = 0});  // a keepalive's probe
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.send({.flags = "R", .seq = h.peer_nxt + 7});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
}

// Who guesses uses up the answers to guesses; a probe lies where only the peer knows.
TEST(Synchronized, challenge_acks_and_answers_to_probes_are_apart) {
  Harness h;
  h.established();
  for (int i = 0; i < 20; ++i) {
    h.send({.flags = "R", .seq = h.peer_nxt + 7});
    h.send({.seq = h.peer_nxt + 100'000});
  }
  EXPECT_EQ(h.sent.size(), 4u) << "two challenges, two answers to what lies outside";
  h.sent.clear();
  h.send({.seq = h.peer_nxt - 1});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
}

TEST(Synchronized, established_to_close_wait_abort_rst) {
  for (const State state :
       {State::established, State::fin_wait_1, State::fin_wait_2, State::close_wait}) {
    SCOPED_TRACE(name(state));
    Harness h;
    h.in(state);
    h.abort();
    h.expect({.flags = "RA", .seq = h.our_nxt, .ack = h.peer_nxt, .wnd = 0});
    h.expect_closed(Reason::aborted);
    EXPECT_EQ(h.state(), State::closed);
  }
}

TEST(Synchronized, closing_and_last_ack_abort_silent) {
  for (const State state : {State::closing, State::last_ack}) {
    SCOPED_TRACE(name(state));
    Harness h;
    h.in(state);
    h.abort();
    h.expect_nothing();
    h.expect_closed(Reason::aborted);
    EXPECT_EQ(h.state(), State::closed);
  }
}

TEST(Synchronized, established_abort_with_data_in_flight_and_queued) {
  Harness h;
  h.established();
  h.write(std::string(100'000, 'x'));
  h.sent.clear();
  h.abort();
  h.expect({.flags = "RA", .seq = h.our_nxt, .ack = 1});
  h.expect_closed(Reason::aborted);
  EXPECT_EQ(h.engine().context().buffers.available_blocks(), h.config().buffer_blocks);
}

// RFC 9293 §3.5.3 (SHLD-2): its text may say why, and changes nothing.
TEST(Synchronized, any_rst_with_data_closed) {
  in_each_synchronized_state([](Harness& h, State) {
    h.send({.flags = "RA", .payload = "why it ends"});
    h.expect_nothing();
    h.expect_closed(Reason::reset);
    EXPECT_EQ(h.state(), State::closed);
  });
}

// RFC 5961 §3.2 compares SEG.SEQ, not the end of what the RST brings.
TEST(Synchronized, any_rst_with_data_that_only_reaches_into_the_window_ignored) {
  in_each_synchronized_state([](Harness& h, State state) {
    h.send({.flags = "R", .seq = h.peer_nxt - 3, .payload = "forged"});
    h.expect_nothing();
    EXPECT_EQ(h.state(), state);
    EXPECT_EQ(h.drops(Drop::tcp_bad_reset), 1u);
    EXPECT_EQ(h.counters().challenge_acks, 0u);
  });
}

// RFC 9293 §3.5.1, figure 8: an old duplicate SYN arrives at a listener.
TEST(OldDuplicate, listen_old_duplicate_syn_is_reset_by_its_sender) {
  Harness h;
  h.listen();
  h.send({.flags = "S", .seq = 0});  // line 3: the old one
  h.expect({.flags = "SA", .seq = 0, .ack = 1});
  h.send({.flags = "R", .seq = 1});  // line 5: the peer knows nothing of it
  EXPECT_EQ(h.state(), State::closed);
  h.send({.flags = "S", .seq = 400});  // line 6: the one that is meant
  h.expect({.flags = "SA", .seq = 0, .ack = 401});
  h.send({.seq = 401, .ack = 1});
  h.expect_event(Event::accepted);
  EXPECT_EQ(h.state(), State::established);
}

// Figure 8 with the new SYN overtaken by the old one's SYN,ACK.
TEST(OldDuplicate, syn_sent_syn_ack_for_an_old_syn_is_reset) {
  Harness h;
  h.syn_sent();
  h.send({.flags = "SA", .seq = 300, .ack = 0xfffff000});
  h.expect({.flags = "R", .seq = 0xfffff000});
  EXPECT_EQ(h.state(), State::syn_sent);
}

// RFC 9293 §3.5.1, figure 9: we crashed and connect again, the peer still has the old connection.
TEST(HalfOpen, syn_sent_ack_of_the_old_connection_rst_clears_it) {
  Harness h;
  h.syn_sent();                                    // line 3
  h.send({.flags = "A", .seq = 300, .ack = 100});  // line 4: <SEQ=300><ACK=100>
  h.expect({.flags = "R", .seq = 100});            // line 5: <SEQ=100><CTL=RST>
  h.expect({.flags = "S", .seq = 0});              // line 7: SYN again, at once
  h.send({.flags = "SA"});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.expect_event(Event::connected);
}

// Figure 9 seen from the other side: we have the old connection, the peer crashed.
TEST(HalfOpen, established_syn_of_a_peer_that_crashed_ends_with_its_rst) {
  Harness h;
  h.established();
  h.send({.flags = "S", .seq = 400});
  h.expect({.flags = "A", .seq = 1, .ack = 1});
  h.send({.flags = "R", .seq = 1});  // SEQ from our ACK
  h.expect_closed(Reason::reset);
  h.send({.flags = "S", .seq = 400});
  h.expect({.flags = "SA", .seq = 0, .ack = 401});
}

// Figure 10: the active side causes the discovery.
TEST(HalfOpen, established_data_to_a_peer_that_crashed_is_answered_with_rst) {
  Harness h;
  h.established();
  h.write("anybody there?");
  h.expect({.flags = "A", .seq = 1, .ack = 1, .len = 14});
  h.send({.flags = "R", .seq = 1});
  h.expect_closed(Reason::reset);
}

// Figure 10 from the side that crashed: data for no connection.
TEST(HalfOpen, closed_data_of_an_old_connection_rst) {
  Harness h;
  h.listen();
  h.send({.flags = "A", .seq = 300, .ack = 100, .payload = "0123456789"});
  h.expect({.flags = "R", .seq = 100});
}

// Figure 11: an old SYN reaches a listener after both crashed, and is cleared by RST.
TEST(HalfOpen, syn_received_old_duplicate_ends_with_rst_back_to_listen) {
  Harness h;
  h.syn_received();
  h.send({.flags = "R", .seq = 1});
  h.expect_no_event();
  EXPECT_EQ(h.state(), State::closed);
  EXPECT_EQ(h.counters().states[static_cast<std::size_t>(State::listen)], 1u);
}

}  // namespace
}  // namespace salut::test
