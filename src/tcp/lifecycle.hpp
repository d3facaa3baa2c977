// The life of a connection: made, moved through its states, given back.
//
// apply() is the one function that writes Tcb::state, and it does what every transition shares:
// count, report, arm 2MSL, release. Segments that a transition asks for are the caller's business.
#pragma once

#include "tcp/context.hpp"
#include "tcp/transitions.hpp"

namespace salut::tcp {

// flow::Record::flags: our window scale in the low four bits, and whether timestamps were agreed.
inline constexpr std::uint8_t record_scale = 0x0f;
inline constexpr std::uint8_t record_timestamps = 0x10;

// What became of the connection that apply() moved.
enum class Fate : std::uint8_t { alive, gone };

// Writes the state and keeps the gauges; nothing else may.
inline void set_state(Context& c, Tcb& tcb, State to) {
  --c.counters.states[static_cast<std::size_t>(tcb.state)];
  ++c.counters.states[static_cast<std::size_t>(to)];
  ++c.counters.states_entered[static_cast<std::size_t>(to)];
  tcb.state = to;
}

// A slot with its key in the flow table, in `state`, with its ISS chosen; none if a pool is empty.
// `whole`: the addresses of an IPv6 connection, whose key is folded; null for IPv4.
std::uint32_t create(Context& c, const Key& key, const AddressPair* whole, std::uint64_t hash,
                     State state, std::uint16_t neighbour, std::uint16_t mss);

// Carries out a transition's state, reports and release; `what` is reported in the same event.
// With Fate::gone the slot has been given back and must not be touched.
Fate apply(Context& c, std::uint32_t index, State to, unsigned acts, unsigned what, Reason reason);

// Ends a connection in any state: out of the flow table, buffers and slot back, owner told.
void release(Context& c, std::uint32_t index, Reason reason);

// The last step of an orderly close: release, unless unread bytes wait for the reader.
Fate finish(Context& c, std::uint32_t index);

// From now on 2MSL: the TCB becomes a 32-byte record, or stays if its reader is not done.
Fate enter_time_wait(Context& c, std::uint32_t index);

// Called when the reader has taken bytes or closed: what only waited for him goes on.
Fate reader_done(Context& c, std::uint32_t index);

// Does the owner know this connection? A child is his only once its handshake is complete.
inline bool owned(const Tcb& tcb) { return !tcb.has(Flag::passive) || !tcb.has(Flag::syn_unacked); }

// A child begins or ends its SYN_RECEIVED.
inline void half_open_begins(Context& c, const Tcb& tcb) {
  ++c.listeners[tcb.listener].half_open;
  ++c.half_open;
}
inline void half_open_ends(Context& c, const Tcb& tcb) {
  --c.listeners[tcb.listener].half_open;
  --c.half_open;
}

// The reason that the owner is given when `event` ends a connection that was in `from`.
constexpr Reason reason_for(State from, StateEvent event) {
  switch (event) {
    case StateEvent::abort:
      return Reason::aborted;
    case StateEvent::retries_out:
    case StateEvent::retries_out_passive:
      return Reason::timed_out;
    case StateEvent::reset:
    case StateEvent::reset_passive:
      return from == State::syn_sent || from == State::syn_received ? Reason::refused
                                                                    : Reason::reset;
    default:
      return Reason::closed;
  }
}

}  // namespace salut::tcp
