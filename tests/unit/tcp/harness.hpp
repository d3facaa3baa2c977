// A Conversation, and its ways into every state of a connection, opened from either side: each
// takes the steps that RFC 9293 draws, expects every answer, and leaves nothing unexpected behind.
// harness_test.cpp holds them against what two real engines do.
//
//   Harness h;
//   h.established();
//   h.send({.flags = "FA"});
//   h.expect({.flags = "A", .seq = 1, .ack = 2});
//   h.expect_event(Event::peer_closed);
//   EXPECT_EQ(h.state(), State::close_wait);
#pragma once

#include "conversation.hpp"

namespace salut::test {

enum class Open { passive, active };

class Harness : public Conversation {
 public:
  using Conversation::Conversation;

  std::uint16_t listen(std::uint32_t backlog = 16) {
    resolve_peer();
    align_iss(our_port);
    const auto listener = engine().listen({any_address(), our_port}, backlog);
    EXPECT_TRUE(listener);
    settle();
    return listener.value_or(0xffff);
  }
  void syn_sent() {
    resolve_peer();
    local_port_ = 50000;
    align_iss(local_port_);
    const auto made =
        engine().connect({peer_address(), peer_port}, {our_address(), local_port_}, 7, now());
    ASSERT_TRUE(made);
    conn = *made;
    settle();
    expect({.flags = config().ecn ? "SEC" : "S", .seq = 0, .mss = 1460});
  }
  void syn_received(Open how = Open::passive) {
    if (how == Open::active) {
      syn_sent();
      send({.flags = "S", .mss = 1460});  // simultaneous open
    } else {
      listen();
      send({.flags = "S", .mss = 1460});
    }
    expect({.flags = "SA", .seq = 0, .ack = 1, .mss = 1460});
  }
  void established(Open how = Open::passive) {
    if (how == Open::active) {
      syn_sent();
      advance(handshake);
      send({.flags = "SA", .mss = 1460});
      expect({.flags = "A", .seq = 1, .ack = 1});
      expect_event(Event::connected);
    } else {
      syn_received();
      advance(handshake);
      send({});
      expect_event(Event::accepted);
    }
  }
  void fin_wait_1(Open how = Open::passive) {
    established(how);
    shutdown();
    expect({.flags = "FA", .seq = 1, .ack = 1});
  }
  void fin_wait_2(Open how = Open::passive) {
    fin_wait_1(how);
    send({});
  }
  void close_wait(Open how = Open::passive) {
    established(how);
    send({.flags = "FA"});
    expect({.flags = "A", .seq = 1, .ack = 2});
    expect_event(Event::peer_closed);
  }
  void closing(Open how = Open::passive) {
    fin_wait_1(how);
    send({.flags = "FA", .ack = 1});
    expect({.flags = "A", .seq = 2, .ack = 2});
    expect_event(Event::peer_closed);
  }
  void last_ack(Open how = Open::passive) {
    close_wait(how);
    shutdown();
    expect({.flags = "FA", .seq = 1, .ack = 2});
  }
  void time_wait(Open how = Open::passive) {
    fin_wait_2(how);
    send({.flags = "FA"});
    expect({.flags = "A", .seq = 2, .ack = 2});
    expect_event(Event::peer_closed);
    expect_closed(Reason::closed);
  }
  void in(State wanted, Open how = Open::passive) {
    switch (wanted) {
      case State::listen:
        listen();
        break;
      case State::syn_sent:
        syn_sent();
        break;
      case State::syn_received:
        syn_received(how);
        break;
      case State::established:
        established(how);
        break;
      case State::fin_wait_1:
        fin_wait_1(how);
        break;
      case State::fin_wait_2:
        fin_wait_2(how);
        break;
      case State::close_wait:
        close_wait(how);
        break;
      case State::closing:
        closing(how);
        break;
      case State::last_ack:
        last_ack(how);
        break;
      case State::time_wait:
        time_wait(how);
        break;
      case State::closed:
        break;
    }
    if (wanted == State::listen) return;
    EXPECT_EQ(state(), wanted);
  }

  Duration handshake{0};  // what established() takes: the first sample of the round trip
};

// The states in which RFC 9293 calls a connection synchronized, TIME_WAIT (a record) aside.
inline constexpr State synchronized_states[] = {State::established, State::fin_wait_1,
                                                State::fin_wait_2,  State::close_wait,
                                                State::closing,     State::last_ack};

// Runs `body` on a fresh harness in each of these states, opened either way.
template <class Body>
void in_each_synchronized_state(Body&& body) {
  for (const Open how : {Open::passive, Open::active}) {
    for (const State state : synchronized_states) {
      SCOPED_TRACE(std::string(name(state)) + (how == Open::active ? ", active" : ", passive"));
      Harness h;
      h.in(state, how);
      body(h, state);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace salut::test
