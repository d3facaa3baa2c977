// What a connection needs once there is data: the state of its sender (RFC 5681, 6298) and of its
// receiver. A connection that only opens and closes has none.
//
// Lives in a pool of the stack, as large as that of the TCBs; prepare_data() takes one with the
// first byte either way and it stays until the connection ends. The pool is LIFO: what a short
// connection gave back is what the next one takes, still in cache.
//
// The sender's share is the first line. Loss, a second flight on top of a first, and congestion
// avoidance need more, which is a Recovery (recovery.hpp); a request and its response do not.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/sequence.hpp"
#include "tcp/buffers.hpp"

namespace salut::tcp {

// Stream::bits.
enum StreamBit : std::uint16_t {
  no_delay = 1,         // Nagle's algorithm is off
  cwnd_limited = 2,     // the last turn stopped because of cwnd: an ACK may open it (RFC 7661)
  probe_is_tail = 4,    // probe_at is a tail loss probe; else RACK's reordering timer
  cwr_due = 8,          // the next new segment carries CWR (RFC 3168 §6.1.2)
  override_due = 16,    // the silly window override timer fired: a part of a segment may leave
  controller_bit = 32,  // Congestion: 0 CUBIC, 1 NewReno
  fin_alone = 64,       // the FIN left without data: it is the segment with the highest sequence
  orphan_spared = 128,  // an orphan's peer took nothing for one period, but its window was open
  writable_told = 256,  // `writable` was raised, and nothing was written since
  end_told = 512,       // a reader was answered end_of_stream
  no_readable = 1024,   // want(): not to be told of
  no_writable = 2048,
  discards = 4096,  // close_gently(): what comes is taken and forgotten; linger_at is the limit
  keep_alive_own = 8192,  // keep_alive_ms was set, not taken from the configuration
  dsack_noted = 16384,    // dsack_* is of the segment in hand: its first repetition counts
};

inline constexpr std::uint32_t no_recovery = 0xffffffff;

struct alignas(64) Stream {
  // --- sender ---
  Cursor cursor;           // where in Tcb::send the next new byte is taken from
  std::uint32_t cwnd = 0;  // bytes
  std::uint32_t ssthresh = 0;
  std::uint32_t srtt = 0;  // microseconds, 0 before the first sample
  std::uint32_t rttvar = 0;
  std::uint32_t min_rtt = 0;             // microseconds, 0 before the first sample
  Seq mark;                              // the sequence that is being timed
  std::uint32_t timed_at = 0;            // microseconds when `mark` was sent; 0: nothing is timed
  std::uint32_t sent_at = 0;             // microseconds of the last new transmission
  std::uint32_t max_snd_wnd = 0;         // bytes, MAX.SND.WND (RFC 5961 §5, RFC 9293 §3.8.6.2.1)
  std::uint32_t recovery = no_recovery;  // slot of the Recovery
  std::uint32_t probe_at = 0;            // tick: tail loss probe or RACK's reordering; 0 none
  Seq small_end;                         // end of the last segment below mss (Minshall)
  std::uint16_t bits = 0;                // StreamBit
  std::uint8_t backoff = 0;              // doublings of the RTO that last until a sample (Karn)
  std::uint8_t dscp = 0;                 // of everything that is sent (RFC 2474)
  std::uint32_t retransmits = 0;         // segments with data or FIN sent again, in all

  // --- receiver ---
  std::uint32_t islands = 0xffffffff;  // the first Island beyond RCV.NXT
  std::uint16_t rcv_mss = 0;           // the largest payload that came, bytes
  std::uint16_t keep_heard = 0;        // of heard_at when the last keep-alive probe left
  std::uint8_t island_count = 0;       // 0..islands_max
  std::uint8_t quick_acks = 16;        // so many ACKs before delaying starts: the peer's slow start
  bool fin_kept = false;               // a FIN waits at fin_at
  bool ece = false;                    // CE was seen, and no CWR since (RFC 3168 §6.1.3)
  std::uint32_t ack_at = 0;            // tick at which a delayed ACK is due; 0 none
  Seq fin_at;
  Seq dsack_begin;  // equal: nothing to report
  Seq dsack_end;
  std::array<Seq, 4> recent = {};  // where out-of-order data arrived, the newest first

  // --- its share of the pool (shares.hpp) ---
  std::uint32_t send_blocks = 0;  // in Tcb::send
  std::uint32_t recv_blocks = 0;  // in Tcb::recv
  std::uint32_t island_blocks = 0;
  std::uint32_t older = 0xffffffff;  // slots of the connections whose islands are older and newer
  std::uint32_t newer = 0xffffffff;
  std::uint32_t watched_at = 0;  // tick since which pressure.cpp waits for SND.UNA; 0 not yet
  Seq watched_until;             // to come here; both hold during one shortage only

  // --- what its owner asked for (socket_options.hpp) ---
  std::uint32_t send_buffer = 0;  // bytes; 0: the stack's, as for the next
  std::uint32_t recv_buffer = 0;
  std::uint32_t keep_alive_ms = 0;    // 0: never
  std::uint32_t user_timeout_ms = 0;  // 0: the stack's retry_timeout
  std::int32_t linger_ms = -1;        // below 0: close() goes on in the background
  std::uint32_t keep_at = 0;          // tick; 0 none, as for the next
  std::uint32_t linger_at = 0;
  std::uint32_t heard_at = 0;        // tick of the peer's last acceptable segment
  std::uint8_t keep_probes = 0;      // in a row, without an answer
  std::uint8_t keep_most = 0;        // of them; 0: the stack's, as for the next
  std::uint16_t keep_seconds = 0;    // between them
  std::uint16_t own_mss = 0;         // 0: what the port allows
  std::uint16_t open_mss = 0;        // of before a black hole was suspected; 0 not now
  std::uint32_t owner_timer_at = 0;  // tick: Connection::set_timer(); 0 none
  std::uint32_t orphan_at = 0;       // tick: has an orphan's peer taken anything since? 0 none
  Seq orphan_una;                    // SND.UNA then
  std::uint32_t lent = 0;            // bytes in Tcb::send that are the application's own memory

  bool has(unsigned b) const { return (bits & b) != 0; }
  void set(unsigned b) { bits = static_cast<std::uint16_t>(bits | b); }
  void clear(unsigned b) { bits = static_cast<std::uint16_t>(bits & ~b); }
};
static_assert(offsetof(Stream, islands) == 64 && sizeof(Stream) == 192);

// A run of bytes beyond RCV.NXT (reassembly.hpp).
struct Island {
  Seq begin;
  std::uint32_t next = 0xffffffff;
  Chain chain;
};

}  // namespace salut::tcp
