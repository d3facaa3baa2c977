// The state machine of RFC 9293 §3.3.2, figure 5, as data.
//
// Every change of a connection's state is one cell, step(state, event), carried out by
// apply_event() (lifecycle.hpp), and no other code decides what may follow what. A row may name
// several states from which an event does the same; a cell that changes nothing says so: there are
// no defaults, and the compiler refuses a table in which a cell is missing or set twice.
// tests/golden/transitions.txt shows all of them.
//
// Events arrive validated: input_slow walks §3.10.7 in order and derives them, input does the same
// arithmetic on the fast path. `close` fires when the user closes, not when the FIN leaves, or
// a zero window would pin a closed connection in ESTABLISHED. One segment may raise two events, the
// ACK before the FIN.
//
// Thread safety: immutable. Cost: one load from a table that never leaves L1.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "salut/state.hpp"

namespace salut::tcp {

// `_passive` is the same event on a connection that a listener made: RFC 9293 sends that back to
// LISTEN where an active open ends. In every state but SYN_RECEIVED the two are equal.
enum class StateEvent : std::uint8_t {
  open_passive,
  open_active,
  close,  // CLOSE, or the sending half alone (half-close)
  abort,
  syn,        // a SYN without ACK where one may open; in TIME_WAIT only a newer one
  syn_again,  // the SYN that made this SYN_RECEIVED, retransmitted
  syn_other,  // any other SYN: RFC 5961 §4; in TIME_WAIT one that is not newer
  syn_other_passive,
  syn_ack,  // SYN,ACK whose ACK acknowledges our SYN
  ack_of_syn,
  ack_of_fin,
  fin,        // in order: everything before it was received
  fin_again,  // a FIN that was received before, retransmitted
  ack_bad,    // acknowledges what was never sent, or (where it must) not our SYN
  reset,      // RST that RFC 5961 §3.2 or, in SYN_SENT, an acceptable ACK makes valid
  reset_passive,
  reset_near,   // RST in the window but not at RCV.NXT
  reset_bad,    // RST outside the window, or without the ACK that SYN_SENT asks for
  outside,      // a segment outside the receive window
  other,        // anything else for a state that expects no such segment
  rto,          // the retransmission timer fired before R2
  retries_out,  // … and after R2 (RFC 1122 §4.2.3.5)
  retries_out_passive,
  idle_limit,  // FIN_WAIT_2 of a closed connection has waited its time
  timeout_2msl,
  count,
};
inline constexpr std::size_t event_count = static_cast<std::size_t>(StateEvent::count);

inline constexpr std::array<std::string_view, event_count> event_names = {"open_passive",
                                                                          "open_active",
                                                                          "close",
                                                                          "abort",
                                                                          "syn",
                                                                          "syn_again",
                                                                          "syn_other",
                                                                          "syn_other_passive",
                                                                          "syn_ack",
                                                                          "ack_of_syn",
                                                                          "ack_of_fin",
                                                                          "fin",
                                                                          "fin_again",
                                                                          "ack_bad",
                                                                          "reset",
                                                                          "reset_passive",
                                                                          "reset_near",
                                                                          "reset_bad",
                                                                          "outside",
                                                                          "other",
                                                                          "rto",
                                                                          "retries_out",
                                                                          "retries_out_passive",
                                                                          "idle_limit",
                                                                          "timeout_2msl"};

constexpr std::string_view name(StateEvent event) {
  return event_names[static_cast<std::size_t>(event)];
}

// What a transition asks for beside the new state: bits, so that the hot path tests none of them
// one by one.
struct Act {
  enum : std::uint16_t {
    none = 0,
    send_syn = 1,
    send_syn_ack = 2,
    send_ack = 4,        // may ride on what the application sends in the same turn
    send_challenge = 8,  // rate-limited ACK (RFC 5961 §7)
    send_fin = 16,       // after all queued data
    send_rst = 32,
    arm_2msl = 64,  // enter TIME_WAIT, or start it again
    retransmit = 128,
    new_child = 256,     // LISTEN stays; a connection of its own gets the next state
    established = 512,   // tell the application: accepted or connected
    peer_closed = 1024,  // tell the application: no more data will come
    release = 2048,      // the connection ends: tell the application why, give back the TCB
    error = 4096,        // the call is refused
  };
};
inline constexpr std::size_t act_count = 13;
inline constexpr std::array<std::string_view, act_count> act_names = {
    "send SYN",           "send SYN,ACK", "send ACK",   "send challenge ACK", "send FIN",
    "send RST",           "arm 2MSL",     "retransmit", "new child",          "report established",
    "report peer closed", "release",      "refuse"};

using States = std::uint16_t;  // a set of states, a bit each

template <typename... S>
constexpr States in(S... states) {
  return static_cast<States>(((1u << static_cast<unsigned>(states)) | ...));
}

struct Row {
  States from;
  StateEvent on;
  State to;  // `stay` for every state of a set
  std::uint16_t acts;
  std::string_view note;
  bool raised = true;  // false: no input raises it; the row completes the table
};

// In Row::to: the state does not change.
inline constexpr State stay = static_cast<State>(state_count);

namespace detail {
using enum State;
// The synchronized states before the peer's or our last word (RFC 9293 §3.3.2).
inline constexpr States synchronized =
    in(established, fin_wait_1, fin_wait_2, close_wait, closing, last_ack);
inline constexpr States everything = static_cast<States>((1u << state_count) - 1);
constexpr States except(States states) { return static_cast<States>(everything & ~states); }
}  // namespace detail

// clang-format off
inline constexpr auto rows = [] {
  using enum State;
  using enum StateEvent;
  using namespace detail;
  using A = Act;
  constexpr State same = stay;
  constexpr bool unraised = false;  // Row::raised
  return std::to_array<Row>({
    // §3.10.1 OPEN
    {in(closed),                     open_passive, listen,       A::none,                       "RFC 9293 3.10.1"},
    {in(closed, listen),             open_active,  syn_sent,     A::send_syn,                   "RFC 9293 3.10.1; from LISTEN: connect on a listener"},
    {except(in(closed)),             open_passive, same,         A::error,                      "connection already exists"},
    {except(in(closed, listen)),     open_active,  same,         A::error,                      "connection already exists"},

    // §3.10.4 CLOSE
    {in(closed),                     close,        same,         A::error,                      "connection does not exist", unraised},
    {in(listen, syn_sent),           close,        closed,       A::release,                    "RFC 9293 3.10.4"},
    {in(syn_received, established),  close,        fin_wait_1,   A::send_fin,                   "RFC 9293 3.10.4"},
    {in(close_wait),                 close,        last_ack,     A::send_fin,                   "RFC 9293 3.10.4"},
    {in(fin_wait_1, fin_wait_2, closing, last_ack, time_wait),
                                     close,        same,         A::none,                       "closed already"},
    // §3.10.5 ABORT
    {in(closed),                     abort,        same,         A::error,                      "connection does not exist", unraised},
    {in(listen, syn_sent),           abort,        closed,       A::release,                    "RFC 9293 3.10.5"},
    {in(syn_received, established, fin_wait_1, fin_wait_2, close_wait),
                                     abort,        closed,       A::send_rst | A::release,      "RFC 9293 3.10.5"},
    {in(closing, last_ack, time_wait),
                                     abort,        closed,       A::release,                    "RFC 9293 3.10.5"},

    // SYN
    {in(closed),                     syn,          same,         A::send_rst,                   "RFC 9293 3.10.7.1"},
    {in(listen),                     syn,          syn_received, A::send_syn_ack | A::new_child, "RFC 9293 3.10.7.2"},
    {in(syn_sent),                   syn,          syn_received, A::send_syn_ack,               "simultaneous open"},
    {in(time_wait),                  syn,          syn_received, A::send_syn_ack | A::new_child, "RFC 1122 4.2.2.13, RFC 6191"},
    {detail::synchronized | in(syn_received),
                                     syn,          same,         A::send_challenge,             "RFC 5961 4; derived as syn_again or syn_other", unraised},
    {in(closed),                     syn_again,    same,         A::send_rst,                   "RFC 9293 3.10.7.1", unraised},
    {in(listen, syn_sent, time_wait), syn_again,   same,         A::none,                       "cannot be: there is no SYN to repeat", unraised},
    {in(syn_received),               syn_again,    same,         A::send_syn_ack,               "our SYN,ACK was lost"},
    {detail::synchronized,           syn_again,    same,         A::send_challenge,             "RFC 5961 4", unraised},
    {in(closed),                     syn_other,    same,         A::send_rst,                   "RFC 9293 3.10.7.1", unraised},
    {in(listen, syn_sent),           syn_other,    same,         A::none,                       "cannot be: every SYN is the first", unraised},
    {detail::synchronized | in(syn_received),
                                     syn_other,    same,         A::send_challenge,             "RFC 5961 4"},
    {in(time_wait),                  syn_other,    same,         A::send_ack,                   "an old duplicate"},
    {in(closed),                     syn_other_passive, same,    A::send_rst,                   "RFC 9293 3.10.7.1", unraised},
    {in(listen, syn_sent),           syn_other_passive, same,    A::none,                       "cannot be: every SYN is the first", unraised},
    {in(syn_received),               syn_other_passive, listen,  A::release,                    "RFC 9293 3.10.7.4 step 4"},
    {detail::synchronized,           syn_other_passive, same,    A::send_challenge,             "RFC 5961 4"},
    {in(time_wait),                  syn_other_passive, same,    A::send_ack,                   "an old duplicate", unraised},
    {in(closed),                     syn_ack,      same,         A::send_rst,                   "RFC 9293 3.10.7.1"},
    {in(listen),                     syn_ack,      same,         A::send_rst,                   "RFC 9293 3.10.7.2: an ACK"},
    {in(syn_sent),                   syn_ack,      established,  A::send_ack | A::established,  "RFC 9293 3.10.7.3"},
    {in(syn_received),               syn_ack,      established,  A::established,                "simultaneous open: the ACK of our SYN comes as SYN,ACK"},
    {detail::synchronized,           syn_ack,      same,         A::send_challenge,             "RFC 5961 4", unraised},
    {in(time_wait),                  syn_ack,      same,         A::send_ack,                   "an old duplicate", unraised},

    // ACK
    {in(closed),                     ack_of_syn,   same,         A::send_rst,                   "RFC 9293 3.10.7.1", unraised},
    {in(listen),                     ack_of_syn,   syn_received, A::new_child,                  "a SYN cookie comes back: the child that the SYN did not make"},
    {in(syn_sent),                   ack_of_syn,   same,         A::none,                       "an ACK without SYN opens nothing", unraised},
    {in(syn_received),               ack_of_syn,   established,  A::established,                "RFC 9293 3.10.7.4 step 5"},
    {in(fin_wait_1, closing),        ack_of_syn,   same,         A::established,                "closed in SYN_RECEIVED: only now open on both sides"},
    {in(established, fin_wait_2, close_wait, last_ack, time_wait),
                                     ack_of_syn,   same,         A::none,                       "acknowledged before", unraised},
    {in(closed),                     ack_of_fin,   same,         A::send_rst,                   "RFC 9293 3.10.7.1", unraised},
    {in(listen),                     ack_of_fin,   same,         A::send_rst,                   "RFC 9293 3.10.7.2", unraised},
    {in(syn_sent, syn_received, established, fin_wait_2, close_wait, time_wait),
                                     ack_of_fin,   same,         A::none,                       "no FIN of ours is in flight", unraised},
    {in(fin_wait_1),                 ack_of_fin,   fin_wait_2,   A::none,                       "RFC 9293 3.10.7.4 step 5"},
    {in(closing),                    ack_of_fin,   time_wait,    A::arm_2msl,                   "RFC 9293 3.10.7.4 step 5"},
    {in(last_ack),                   ack_of_fin,   closed,       A::release,                    "RFC 9293 3.10.7.4 step 5"},
    {in(closed, listen, syn_sent, syn_received),
                                     ack_bad,      same,         A::send_rst,                   "RFC 9293 3.10.7"},
    {detail::synchronized,           ack_bad,      same,         A::send_challenge,             "RFC 5961 5"},
    {in(time_wait),                  ack_bad,      same,         A::send_challenge,             "RFC 5961 5"},

    // FIN
    {in(closed),                     fin,          same,         A::send_rst,                   "RFC 9293 3.10.7.1"},
    {in(listen, syn_sent),           fin,          same,         A::none,                       "RFC 9293 3.10.7.4 step 8: SEG.SEQ cannot be validated"},
    {in(syn_received, established),  fin,          close_wait,   A::send_ack | A::peer_closed,  "RFC 9293 3.10.7.4 step 8"},
    {in(fin_wait_1),                 fin,          closing,      A::send_ack | A::peer_closed,  "simultaneous close"},
    {in(fin_wait_2),                 fin,          time_wait,    A::send_ack | A::arm_2msl | A::peer_closed, "RFC 9293 3.10.7.4 step 8"},
    {in(close_wait, closing, last_ack),
                                     fin,          same,         A::send_ack,                   "nothing may follow a FIN", unraised},
    {in(time_wait),                  fin,          same,         A::send_ack | A::arm_2msl,     "the last ACK was lost"},
    {in(closed),                     fin_again,    same,         A::send_rst,                   "RFC 9293 3.10.7.1", unraised},
    {in(listen, syn_sent),           fin_again,    same,         A::none,                       "no FIN was received", unraised},
    {in(syn_received) | detail::synchronized,
                                     fin_again,    same,         A::send_ack,                   "our ACK was lost"},
    {in(time_wait),                  fin_again,    same,         A::send_ack | A::arm_2msl,     "the last ACK was lost: 2MSL starts again"},

    // RST
    {in(closed, listen),             reset,        same,         A::none,                       "RFC 9293 3.10.7.1, 3.10.7.2"},
    {in(syn_sent),                   reset,        closed,       A::release,                    "connection refused"},
    {in(syn_received),               reset,        closed,       A::release,                    "connection refused"},
    {detail::synchronized,           reset,        closed,       A::release,                    "connection reset"},
    {in(time_wait),                  reset,        same,         A::none,                       "RFC 1337"},
    {in(closed, listen),             reset_passive, same,        A::none,                       "RFC 9293 3.10.7.1, 3.10.7.2", unraised},
    {in(syn_sent),                   reset_passive, closed,      A::release,                    "cannot be: SYN_SENT is an active open", unraised},
    {in(syn_received),               reset_passive, listen,      A::release,                    "the child goes, the listener stays"},
    {detail::synchronized,           reset_passive, closed,      A::release,                    "connection reset"},
    {in(time_wait),                  reset_passive, same,        A::none,                       "RFC 1337", unraised},
    {in(closed, listen, syn_sent, time_wait),
                                     reset_near,   same,         A::none,                       "no window to be in, or RFC 1337", unraised},
    {in(syn_received) | detail::synchronized,
                                     reset_near,   same,         A::send_challenge,             "RFC 5961 3.2"},
    {everything,                     reset_bad,    same,         A::none,                       "RFC 5961 3.2; in SYN_SENT without acceptable ACK"},

    // other segments
    {in(closed),                     outside,      same,         A::send_rst,                   "RFC 9293 3.10.7.1", unraised},
    {in(listen, syn_sent),           outside,      same,         A::none,                       "there is no window yet", unraised},
    {in(syn_received, time_wait) | detail::synchronized,
                                     outside,      same,         A::send_ack,                   "RFC 9293 3.10.7.4 step 1"},
    {in(closed),                     other,        same,         A::send_rst,                   "RFC 9293 3.10.7.1"},
    {except(in(closed)),             other,        same,         A::none,                       "dropped"},

    // timers
    {in(closed, listen, fin_wait_2, time_wait),
                                     rto,          same,         A::none,                       "nothing is in flight", unraised},
    {in(syn_sent),                   rto,          same,         A::send_syn | A::retransmit,   "RFC 6298"},
    {in(syn_received),               rto,          same,         A::send_syn_ack | A::retransmit, "RFC 6298"},
    {in(established, close_wait),    rto,          same,         A::retransmit,                 "RFC 6298"},
    {in(fin_wait_1, closing, last_ack),
                                     rto,          same,         A::send_fin | A::retransmit,   "RFC 6298"},
    {in(closed, listen, fin_wait_2, time_wait),
                                     retries_out,  same,         A::none,                       "nothing is in flight", unraised},
    {in(syn_sent, syn_received, established, close_wait, fin_wait_1, closing, last_ack),
                                     retries_out,  closed,       A::release,                    "RFC 1122 4.2.3.5: timed out"},
    {in(closed, listen, fin_wait_2, time_wait),
                                     retries_out_passive, same,  A::none,                       "nothing is in flight", unraised},
    {in(syn_received),               retries_out_passive, listen, A::release,                   "the child goes, the listener stays"},
    {in(syn_sent, established, close_wait, fin_wait_1, closing, last_ack),
                                     retries_out_passive, closed, A::release,                   "RFC 1122 4.2.3.5: timed out"},
    {in(fin_wait_2),                 idle_limit,   closed,       A::release,                    "only after a full close"},
    {except(in(fin_wait_2)),         idle_limit,   same,         A::none,                       "another timer's business", unraised},
    {in(time_wait),                  timeout_2msl, closed,       A::release,                    "RFC 9293 3.10.8"},
    {except(in(time_wait)),          timeout_2msl, same,         A::none,                       "another timer's business", unraised},
  });
}();
// clang-format on

struct Cell {
  State to = State::closed;
  std::uint16_t acts = 0;
  std::string_view note;
};

namespace detail {
struct Table {
  std::array<std::array<Cell, event_count>, state_count> cells = {};
  bool complete = true;  // every cell set, and once
};

consteval Table build() {
  Table table;
  std::array<std::array<int, event_count>, state_count> seen = {};
  for (const Row& row : rows) {
    for (std::size_t s = 0; s < state_count; ++s) {
      if ((row.from >> s & 1) == 0) continue;
      const auto e = static_cast<std::size_t>(row.on);
      ++seen[s][e];
      table.cells[s][e] = Cell{row.to == stay ? static_cast<State>(s) : row.to, row.acts, row.note};
    }
  }
  for (const auto& state : seen) {
    for (const int times : state) table.complete = table.complete && times == 1;
  }
  return table;
}
inline constexpr Table table = build();
}  // namespace detail

static_assert(detail::table.complete, "a cell of the transition table is missing or set twice");

constexpr const Cell& step(State state, StateEvent event) {
  return detail::table.cells[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
}

// The fast path: what an in-order segment may raise, in the order of §3.10.7.4 steps 5 and 8,
// composed at compile time. Index: state * 8 + FastBit's.
enum FastBit : unsigned { fast_ack_of_syn = 1, fast_ack_of_fin = 2, fast_fin = 4 };

struct FastCell {
  State to = State::closed;
  std::uint16_t acts = 0;
};

// What the bits raise, one event after the other; `raised` is called with each and its state.
template <typename Raised>
constexpr FastCell compose(State state, unsigned bits, Raised&& raised) {
  std::uint16_t acts = 0;
  const auto raise = [&](StateEvent event) {
    raised(state, event);
    const Cell& cell = step(state, event);
    acts = static_cast<std::uint16_t>(acts | cell.acts);
    state = cell.to;
  };
  if ((bits & fast_ack_of_syn) != 0) raise(StateEvent::ack_of_syn);
  if ((bits & fast_ack_of_fin) != 0) raise(StateEvent::ack_of_fin);
  if ((bits & fast_fin) != 0 && state != State::closed) raise(StateEvent::fin);
  return FastCell{state, acts};
}

namespace detail {
consteval std::array<FastCell, 128> build_fast_table() {
  std::array<FastCell, 128> fast_table = {};
  for (unsigned s = 0; s < state_count; ++s) {
    for (unsigned bits = 0; bits < 8; ++bits) {
      fast_table[s * 8 + bits] = compose(static_cast<State>(s), bits, [](State, StateEvent) {});
    }
  }
  return fast_table;
}
inline constexpr std::array<FastCell, 128> fast_table = build_fast_table();
}  // namespace detail

constexpr FastCell fast_step(State state, unsigned bits) {
  return detail::fast_table[static_cast<unsigned>(state) * 8 + bits];
}

// Compositions, not special cases.
static_assert(step(step(State::fin_wait_1, StateEvent::ack_of_fin).to, StateEvent::fin).to ==
              State::time_wait);
static_assert(fast_step(State::fin_wait_1, fast_ack_of_fin | fast_fin).to == State::time_wait);
static_assert(fast_step(State::syn_received, fast_ack_of_syn | fast_fin).to == State::close_wait);
static_assert(fast_step(State::fin_wait_1, fast_fin).to == State::closing);

}  // namespace salut::tcp
