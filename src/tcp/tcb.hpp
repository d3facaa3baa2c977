// The Transmission Control Block: 128 bytes, what opening and closing need in the first 64.
//
// A handshake or a close reads and writes the hot line, one bucket of the flow table, and one word
// of the second line, handshake_rtt. The rest of that belongs to data and to timestamps. With the
// first byte either way (Flag::data_ready) a Stream comes along (stream.hpp), which holds what only
// data needs. Members are RFC 9293's variables; sequence numbers are host order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/key.hpp"
#include "base/mac.hpp"
#include "base/sequence.hpp"
#include "salut/state.hpp"
#include "tcp/buffers.hpp"

namespace salut::tcp {

enum Flag : std::uint32_t {
  passive = 1,        // a listener's child
  syn_unacked = 2,    // our SYN stands at snd_una
  fin_wanted = 4,     // CLOSE was called: a FIN follows the data; in SYN_SENT CLOSE is queued
  fin_sent = 8,       // the FIN occupies snd_nxt - 1
  fin_received = 16,  // the peer's FIN was in order: rcv_nxt counts it
  user_closed = 32,   // close(), not shutdown(): nobody will read
  ack_pending = 64,
  queued = 128,          // in the list of connections with something to send
  data_ready = 256,      // the second line and the Stream are valid
  rewound = 512,         // something is lost and goes out again before anything new
  write_blocked = 1024,  // write() took less than offered: `writable` is due
  emit_syn = 2048,       // SYN or SYN,ACK to be sent (again)
  window_update = 4096,  // the receive window opened enough to say so
  probe = 8192,          // persist timer fired: one byte beyond the window
  finished = 16384,      // CLOSED in order and out of the flow table, kept only for unread bytes
  syn_repeated =
      32768,  // the timer sent our SYN again: its ACK is no sample, and RTO starts at 3 s
  closed_reported = 1 << 16,  // `closed` was reported; the handle is stale
  ip6 = 1 << 17,          // IPv6: the addresses in `key` are folded, the whole ones stand elsewhere
  timestamps = 1 << 18,   // agreed in the handshake (RFC 7323)
  sack = 1 << 19,         // agreed in the handshake (RFC 2018)
  ecn = 1 << 20,          // agreed in the handshake (RFC 3168)
  ack_delayed = 1 << 21,  // an ACK is owed and waits for company (RFC 1122 §4.2.3.2)
  scaling = 1 << 22,      // window scale agreed, be it 0 (RFC 7323)
  gaps = 1 << 23,         // data beyond RCV.NXT waits in Stream::islands
  // Until our SYN is acknowledged, when no window is probed yet: it left again, but for what the
  // peer sent. Its ACK is no sample (Karn); but no timer has fired, so that RTO starts as it does.
  syn_again = probe,
  // 24..27: our window scale, 28..31: the peer's, 0..14.
};
inline constexpr std::uint8_t max_window_scale = 14;  // RFC 7323 §2.3
inline constexpr unsigned rcv_scale_shift = 24;
inline constexpr unsigned snd_scale_shift = 28;

// Tcb::ending of a connection that a call ended: its Reason, and whether the peer is told. Calls
// raise no events themselves; the next turn does.
enum Ending : std::uint8_t { ending_reason = 0x1f, ending_reset = 0x20 };

// The state of a connection. It reads as a State. Only StateWriter can write it, and that is
// defined in lifecycle.cpp alone, behind apply_event().
class ConnectionState {
 public:
  ConnectionState() = default;
  ConnectionState(const ConnectionState&) = default;
  ConnectionState& operator=(const ConnectionState&) = delete;
  constexpr operator State() const { return value_; }
  constexpr std::size_t index() const { return static_cast<std::size_t>(value_); }

 private:
  friend struct StateWriter;
  State value_ = State::closed;
};

struct alignas(64) Tcb {
  // --- hot line ---
  Key key;      // network order, as in a received packet
  Seq rcv_nxt;  // behind the key, as SEG.SEQ is in a wire::Segment
  Seq snd_nxt;  // one past the highest sequence ever sent
  Seq snd_una;
  std::uint32_t flags = 0;  // Flag
  ConnectionState state;
  std::uint8_t retries = 0;         // retransmissions in a row
  std::uint16_t listener : 10 = 0;  // of a passive connection
  std::uint16_t ending : 6 = 0;     // Ending, what the next turn does with one that is over
  std::uint32_t generation = 0;
  Seq rcv_adv;                  // right edge of the window that we offered; never moves left
  std::uint32_t snd_wnd = 0;    // bytes
  std::uint32_t wheel_at = 0;   // the wheel's live entry; belongs to the slot, not the connection
  std::uint32_t timer_at = 0;   // tick of the deadline; 0 none
  std::uint16_t neighbour = 0;  // next hop
  std::uint16_t mss = 0;        // bytes of payload that we send per segment
  std::uint64_t user = 0;       // the application's; the free list's next slot while free; of a
                                // listener's child in SYN_RECEIVED the MAC its SYN came from
  // --- data line ---
  Chain send;                      // from snd_una (or the byte after an unacknowledged SYN)
  Chain recv;                      // received in order, unread
  std::uint32_t stream = 0;        // slot of the Stream, if Flag::data_ready
  std::uint32_t ts_recent = 0;     // TS.Recent, if Flag::timestamps, as are the next two
  std::uint32_t ts_recent_at = 0;  // Clock::epoch of its last update
  std::uint32_t ts_offset = 0;     // added to our clock in TSval
  Seq last_ack_sent;               // Last.ACK.sent
  Seq snd_wl1;                     // if data_ready, as is the next
  Seq snd_wl2;
  std::uint32_t handshake_rtt = 0;  // microseconds, 0 unknown; once our SYN is acknowledged

  bool has(unsigned bits) const { return (flags & bits) != 0; }
  void set(unsigned bits) { flags |= bits; }
  void clear(unsigned bits) { flags &= ~bits; }
  std::uint32_t rcv_wnd() const { return rcv_adv - rcv_nxt; }
  // The same as a header carries it, in segments without SYN.
  std::uint16_t wnd_field() const {
    return static_cast<std::uint16_t>(std::min(rcv_wnd() >> rcv_scale(), 65'535u));
  }
  // From now on every handle is stale. 0 is the generation of no connection.
  void renew() {
    if (++generation == 0) generation = 1;
  }
  // Of a child in SYN_RECEIVED, which no application knows yet; zeros if nobody can say.
  Mac syn_mac() const {
    Mac mac;
    std::memcpy(mac.bytes.data(), &user, sizeof(Mac));
    return mac;
  }
  void set_syn_mac(const Mac& mac) { std::memcpy(&user, mac.bytes.data(), sizeof(Mac)); }
  void set_scales(unsigned rcv, unsigned snd) {
    flags = (flags & 0x00ff'ffff) | rcv << rcv_scale_shift | snd << snd_scale_shift;
  }
  unsigned snd_scale() const { return flags >> snd_scale_shift; }
  unsigned rcv_scale() const { return flags >> rcv_scale_shift & 15; }
};

static_assert(sizeof(Tcb) == 128 && alignof(Tcb) == 64);
static_assert(offsetof(Tcb, send) == 64, "everything that opening and closing need fits one line");

// Where the bytes in the send buffer begin and end.
inline Seq data_start(const Tcb& tcb) {
  return tcb.snd_una + (tcb.has(Flag::syn_unacked) ? 1u : 0u);
}
inline Seq data_end(const Tcb& tcb) {
  return data_start(tcb) + (tcb.has(Flag::data_ready) ? tcb.send.bytes : 0u);
}

// Where the bytes of a connection stand either way.
struct Places {
  Seq sent;
  Seq received;
};
// How far they have come: what the peer has acknowledged, and what came in order. A FIN is no byte.
inline Places moved_to(const Tcb& tcb) {
  const bool fin_acked = tcb.has(Flag::fin_sent) && tcb.snd_una == tcb.snd_nxt;
  return {data_start(tcb) - (fin_acked ? 1u : 0u),
          tcb.rcv_nxt - (tcb.has(Flag::fin_received) ? 1u : 0u)};
}

// Might output() have something to send?
inline bool has_output(const Tcb& tcb) {
  return tcb.has(Flag::ack_pending | Flag::ack_delayed | Flag::rewound) ||
         (tcb.has(Flag::data_ready) && tcb.send.bytes > 0) ||
         (tcb.has(Flag::fin_wanted) && !tcb.has(Flag::fin_sent));
}

}  // namespace salut::tcp
