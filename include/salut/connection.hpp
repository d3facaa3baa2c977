// A handle of one connection: 8 bytes, a value, never a pointer.
//
// It names a slot of one worker's stack and the generation of that slot, so that a handle which
// outlived its connection is answered with not_connected and never with somebody else's bytes.
//
// Threads: every call only on the lcore whose Stack made the handle; debug builds assert it.
// Nothing blocks or allocates. What a call makes ready to send leaves with the next Stack::poll().
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <tl/expected.hpp>

#include "salut/address.hpp"
#include "salut/connection_options.hpp"
#include "salut/error.hpp"
#include "salut/export.hpp"
#include "salut/state.hpp"
#include "salut/time.hpp"

namespace salut {

// What the sender does about loss.
enum class Phase : std::uint8_t {
  open,      // nothing is missing: slow start below ssthresh, congestion avoidance above
  reduced,   // down to ssthresh within a round trip, after an ECN mark
  recovery,  // fast recovery: what is missing is sent again, found by SACK, RACK or duplicate ACKs
  loss,      // the retransmission timer fired: slow start from one segment
};

// A snapshot, what TCP_INFO is elsewhere. What concerns loss and round trips is 0 until the
// connection has moved a byte.
struct ConnectionInfo {
  State state = State::closed;
  Endpoint local;
  Endpoint remote;
  std::uint32_t mss = 0;          // bytes of payload per segment that we send
  std::uint32_t recv_mss = 0;     // the MSS that our SYN told the peer
  std::uint32_t send_queued = 0;  // bytes written and not yet acknowledged
  std::uint32_t send_lent = 0;    // of them, bytes that lend() took and still refers to
  std::uint32_t recv_queued = 0;  // bytes that read() would return now
  // Of payload, in order, modulo 2^32: the difference of two looks is right while fewer than 4 GiB
  // lie between them. Segments are counted for the whole stack only (Counters).
  std::uint32_t bytes_acked = 0;     // that the peer has acknowledged
  std::uint32_t bytes_received = 0;  // read or not
  std::uint32_t snd_wnd = 0;         // bytes that the peer last offered
  std::uint32_t rcv_wnd = 0;         // bytes that we last offered
  // --- congestion ---
  Congestion congestion = Congestion::cubic;
  Phase phase = Phase::open;
  std::uint32_t cwnd = 0;       // bytes
  std::uint32_t ssthresh = 0;   // bytes; 0: no loss yet
  std::uint32_t in_flight = 0;  // bytes and SYN and FIN sent and not acknowledged
  std::uint32_t sacked = 0;     // bytes of them that the peer holds already
  std::uint32_t lost = 0;       // bytes of them that counted as lost, sent again or not
  // --- time ---
  std::uint32_t rto_ms = 0;      // with its backoff
  std::uint32_t backoff = 0;     // doublings in it
  std::uint32_t srtt_us = 0;     // smoothed round trip; 0 before the first sample
  std::uint32_t rttvar_us = 0;   // its mean deviation
  std::uint32_t min_rtt_us = 0;  // the shortest sample
  // --- again ---
  std::uint32_t retransmits = 0;        // in a row, of the segment now in flight
  std::uint32_t total_retransmits = 0;  // segments with data or FIN, in all
  // --- agreed in the handshake ---
  bool timestamps = false;     // RFC 7323
  bool sack = false;           // RFC 2018
  bool ecn = false;            // RFC 3168
  bool scaling = false;        // RFC 7323
  std::uint8_t snd_scale = 0;  // shift of the windows that the peer sends
  std::uint8_t rcv_scale = 0;  // of those that we send
};

class SALUT_API Connection {
 public:
  constexpr Connection() = default;
  constexpr Connection(std::uint32_t slot, std::uint32_t generation)
      : slot_(slot), generation_(generation) {}

  constexpr explicit operator bool() const { return generation_ != 0; }

  // Copies received bytes in order into `to`, at most to.size(). 0: nothing now, `readable` will
  // follow. What is left unread raises `readable` again with the next poll().
  // Errc::end_of_stream once the peer's FIN and all before it were read.
  tl::expected<std::size_t, Errc> read(std::span<std::byte> to) const;

  // Takes bytes to send, as many as the send buffer holds; the count taken may be short or 0, then
  // `writable` will follow. Before `connected` too: it leaves once the handshake is complete, and
  // is lost if that fails. Errc::not_writable after shutdown() or close().
  tl::expected<std::size_t, Errc> write(std::span<const std::byte> from) const;

  // Received bytes where they lie, without a copy: the next run of them in order, in the packet
  // that brought it where that is possible. Empty: nothing now, `readable` will follow;
  // end_of_stream as for read(). Valid until consume(), read(), close() or abort() of this
  // connection, and never beyond the next Stack::poll().
  tl::expected<std::span<const std::byte>, Errc> peek() const;

  // Takes the first `count` bytes as read. Errc::invalid_argument, and nothing is taken, if that is
  // more than info().recv_queued.
  Errc consume(std::size_t count) const;

  // Like write(), but the bytes are not copied here: they are read where they are whenever they are
  // sent, and must stay unchanged until they were acknowledged. `returned` says when some are:
  // they come back in order, in pieces of at most 32 KiB, and info().send_lent bytes are still out.
  // After `closed` none is. For runs of some KiB and more: each piece holds a block of
  // stack.buffer_blocks.
  tl::expected<std::size_t, Errc> lend(std::span<const std::byte> from) const;

  // Closes the sending half: a FIN follows what was written. Reading goes on (half-close). Before
  // `connected` it waits for the handshake if anything was written, and else ends the connection.
  // Once the peer has closed too, all of it was read and our FIN was acknowledged, `closed` follows
  // as it does after close(), which then need not be called.
  Errc shutdown() const;

  // Closes both halves. With received bytes unread this is a reset (RFC 2525 §2.17), as is data
  // that arrives later (RFC 1122 §4.2.2.13). `closed` follows, when TIME_WAIT begins at the latest.
  // Before `connected`, which still comes, it waits for the handshake as shutdown() does.
  Errc close() const;

  // close() for a peer that may still be sending, what a server does after its last answer: a FIN
  // follows what was written, unread and arriving bytes are discarded until the peer's FIN, and if
  // that has not come after `limit`, 0..24 h, the connection is reset (Reason::aborted). Where
  // close() would reset because of bytes unread, the peer could lose our last words (RFC 2525
  // §2.17).
  Errc close_gently(Duration limit) const;

  // RST and CLOSED at once; `closed` with Reason::aborted follows.
  Errc abort() const;

  // A snapshot of the connection, as it is now.
  tl::expected<ConnectionInfo, Errc> info() const;
  // Errc::invalid_argument for a value out of its range; nothing is changed then.
  Errc set_options(const ConnectionOptions& options) const;
  // Of which of Event::readable and Event::writable the connection is to be told; both at first.
  // What is left out is not told at all, so that a poll() does not come back for it: who stops
  // reading until its own write() goes on says want(Event::writable), and want(Event::readable |
  // Event::writable) to go on. invalid_argument for other bits.
  Errc want(unsigned what) const;

  // Event::user of every event of this connection that comes now: those that this poll() has
  // returned already too, `closed` included.
  Errc set_user(std::uint64_t user) const;
  // What connect() was given or set_user() set; 0 at first.
  tl::expected<std::uint64_t, Errc> user() const;

  // Event::timer of this connection in `after` from the last poll(), rounded up to a millisecond
  // (1.048576 ms, the stack's tick). Each connection has one such timer: setting it again moves it,
  // and it ends with the connection. It needs none of stack.timers. Errc::invalid_argument: below
  // 0, or above 24 days. Errc::overload, and the timer is as it was: timers were moved nearer more
  // than a thousand times in this turn.
  Errc set_timer(Duration after) const;
  // From now on no Event::timer; one that the last poll() returned is there all the same.
  Errc cancel_timer() const;

  // Of slot(): the bits that are the slot in a stack's table. The others are the stack, of which
  // each worker has one.
  static constexpr unsigned slot_bits = 26;
  // The two halves of the handle. A program may use them as a key, and needs them for nothing else.
  constexpr std::uint32_t slot() const { return slot_; }
  constexpr std::uint32_t generation() const { return generation_; }
  friend constexpr auto operator<=>(const Connection&, const Connection&) = default;

 private:
  std::uint32_t slot_ = 0;
  std::uint32_t generation_ = 0;  // 0 names nothing
};

static_assert(sizeof(Connection) == 8);

}  // namespace salut

template <>
struct std::hash<salut::Connection> {
  std::size_t operator()(const salut::Connection& connection) const noexcept {
    const std::uint64_t both =
        std::uint64_t{connection.generation()} << 32 | std::uint64_t{connection.slot()};
    const std::uint64_t mixed = both * 0x9e37'79b9'7f4a'7c15;
    return static_cast<std::size_t>(mixed ^ mixed >> 32);
  }
};
