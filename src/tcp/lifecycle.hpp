// The life of a connection: made, moved through its states, given back.
//
// apply_event() carries out what the transition table says, for segments, timers and calls alike.
// Only this file's .cpp can write Tcb::state (StateWriter in tcb.hpp).
#pragma once

#include "tcp/context.hpp"
#include "tcp/transitions.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

// flow::Record::flags: our window scale in the low four bits, and whether timestamps were agreed.
inline constexpr std::uint8_t record_scale = 0x0f;
inline constexpr std::uint8_t record_timestamps = 0x10;

// What became of the connection that an event moved.
enum class Fate : std::uint8_t { alive, gone };

// Where an event comes from, and what is to be reported with it.
struct Cause {
  // The segment that raised it, which a reset answers. Null: a timer or a call.
  const wire::Segment* segment = nullptr;
  const Frame* frame = nullptr;
  unsigned what = 0;             // reported to the application in the same event
  Reason reason = Reason::none;  // why the connection ends; none: reason_for()
};

struct Applied {
  std::uint16_t acts = 0;  // of the cell
  Fate fate = Fate::alive;
};

// The one way in which an event moves a connection: writes the state that the table names, sends
// what it asks for, reports, arms 2MSL and releases. Act::retransmit and Act::error are the
// caller's business. With Fate::gone the slot has been given back and must not be touched.
Applied apply_event(Context& c, std::uint32_t index, StateEvent event, const Cause& cause = {});

// The same for a call of the application, CLOSE or ABORT, and for an end in the middle of sending:
// if the connection ends, the next turn sends the reset, reports the end and gives the slot back.
// `why`: none for reason_for(). Returns the acts of the cell.
unsigned apply_call(Context& c, std::uint32_t index, StateEvent event, Reason why = Reason::none);

// The same for the events of FastBit, which the fast path raises together.
Fate apply_fast(Context& c, std::uint32_t index, unsigned bits, unsigned what);

// OPEN: a slot with its key in the flow table, in the state that the cell `opening` names, with its
// ISS chosen; none if a pool is empty.
// `whole`: the addresses of an IPv6 connection, whose key is folded; null for IPv4.
std::uint32_t create(Context& c, const Key& key, const AddressPair* whole, std::uint64_t hash,
                     const Cell& opening, std::uint16_t neighbour, std::uint16_t mss);

// Ends a connection in any state: out of the flow table, buffers and slot back, the application
// told.
void release(Context& c, std::uint32_t index, Reason reason);

// The last step of an orderly close: release, unless unread bytes wait for the reader.
Fate finish(Context& c, std::uint32_t index);

// From now on 2MSL: the TCB becomes a 32-byte record, or stays if its reader is not done.
Fate enter_time_wait(Context& c, std::uint32_t index);

// Called when the reader has taken bytes or closed: what only waited for that goes on.
Fate reader_done(Context& c, std::uint32_t index);

// The next turn ends it, after an RST if `reset`: calls report nothing themselves.
void end_later(Context& c, std::uint32_t index, Reason reason, bool reset);

// Does the application know this connection? Of a child it hears once the handshake is complete.
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

// The reason that the application is given when `event` ends a connection that was in `from`.
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
