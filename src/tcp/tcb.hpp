// The Transmission Control Block: 128 bytes, what opening and closing need in the first 64.
//
// A handshake or a close reads and writes the hot line and one bucket of the flow table, nothing
// else. The second line belongs to data and is set up with the first byte either way
// (Flag::data_ready). Members are RFC 9293's variables; sequence numbers are host order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "flow/key.hpp"
#include "salut/state.hpp"
#include "stack/buffers.hpp"
#include "tcp/sequence.hpp"

namespace salut::tcp {

enum Flag : std::uint16_t {
  passive = 1,        // a listener's child
  syn_unacked = 2,    // our SYN stands at snd_una
  fin_wanted = 4,     // CLOSE was called: a FIN follows the data
  fin_sent = 8,       // the FIN occupies snd_nxt - 1
  fin_received = 16,  // the peer's FIN was in order: rcv_nxt counts it
  user_closed = 32,   // close(), not shutdown(): nobody will read
  ack_pending = 64,
  queued = 128,          // in the list of connections with something to send
  data_ready = 256,      // the second line is valid
  rewound = 512,         // retransmitting: `mark` is where the next byte is sent from
  write_blocked = 1024,  // write() took less than offered: `writable` is due
  emit_syn = 2048,       // SYN or SYN,ACK to be sent (again)
  window_update = 4096,  // the receive window opened enough to say so
  probe = 8192,          // persist timer fired: one byte beyond the window
  finished = 16384,      // CLOSED in order and out of the flow table, kept only for unread bytes
  syn_repeated = 32768,  // our SYN was lost at least once: RTO starts at 3 s (RFC 6298 (5.7))
};

// Tcb::ending of a connection that a call ended: its Reason, and whether the peer is told. Calls
// raise no events themselves; the next turn does.
enum Ending : std::uint8_t { ending_reason = 0x7f, ending_reset = 0x80 };

struct alignas(64) Tcb {
  // --- hot line ---
  flow::Key key;  // network order, as in a received packet
  State state = State::closed;
  std::uint8_t retries = 0;  // retransmissions in a row
  std::uint16_t flags = 0;   // Flag
  std::uint32_t generation = 0;
  Seq snd_una;
  Seq snd_nxt;  // one past the highest sequence ever sent
  Seq rcv_nxt;
  Seq rcv_adv;                  // right edge of the window that we offered; never moves left
  std::uint32_t snd_wnd = 0;    // bytes
  std::uint32_t wheel_at = 0;   // the wheel's live entry; belongs to the slot, not the connection
  std::uint32_t timer_at = 0;   // tick of the deadline; 0 none
  std::uint64_t user = 0;       // the application's; the free list's next slot while free
  std::uint16_t neighbour = 0;  // next hop
  std::uint16_t mss = 0;        // bytes of payload that we send per segment
  std::uint16_t listener = 0;   // of a passive connection
  bool told = false;            // `closed` was reported; the handle is stale
  std::uint8_t ending = 0;      // Ending, what the next turn does with a connection that is over
  // --- data line ---
  stack::Chain send;       // from snd_una (or the byte after an unacknowledged SYN)
  stack::Chain recv;       // received in order, unread
  stack::Cursor cursor;    // where in `send` the next byte is taken from
  std::uint32_t cwnd = 0;  // bytes
  std::uint32_t ssthresh = 0;
  std::uint32_t srtt = 0;  // microseconds, 0 before the first sample
  std::uint32_t rttvar = 0;
  Seq mark;                    // rewound: next to send; else the sequence that is being timed
  std::uint32_t timed_at = 0;  // microseconds when `mark` was sent; 0: nothing is being timed

  bool has(unsigned bits) const { return (flags & bits) != 0; }
  void set(unsigned bits) { flags = static_cast<std::uint16_t>(flags | bits); }
  void clear(unsigned bits) { flags = static_cast<std::uint16_t>(flags & ~bits); }
  std::uint32_t rcv_wnd() const { return rcv_adv - rcv_nxt; }
};

static_assert(sizeof(Tcb) == 128 && alignof(Tcb) == 64);
static_assert(offsetof(Tcb, send) == 64, "everything that opening and closing need fits one line");

}  // namespace salut::tcp
