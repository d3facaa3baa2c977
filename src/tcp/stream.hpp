// What a connection needs once there is data: the state of its sender (RFC 5681, 6298) and of its
// receiver. A connection that only opens and closes has none.
//
// Lives in a pool of the stack, as large as that of the TCBs; prepare_data() takes one with the
// first byte either way and it stays until the connection ends. The pool is LIFO: what a short
// connection gave back is what the next one takes, still in cache.
#pragma once

#include <array>
#include <cstdint>

#include "stack/buffers.hpp"
#include "tcp/sequence.hpp"

namespace salut::tcp {

struct alignas(64) Stream {
  // --- sender ---
  stack::Cursor cursor;    // where in Tcb::send the next byte is taken from
  std::uint32_t cwnd = 0;  // bytes
  std::uint32_t ssthresh = 0;
  std::uint32_t srtt = 0;  // microseconds, 0 before the first sample
  std::uint32_t rttvar = 0;
  Seq mark;                       // rewound: next to send; else the sequence that is being timed
  std::uint32_t timed_at = 0;     // microseconds when `mark` was sent; 0: nothing is being timed
  std::uint32_t max_snd_wnd = 0;  // bytes, MAX.SND.WND of RFC 5961 §5 and RFC 9293 §3.8.6.2.1

  // --- receiver ---
  std::uint32_t islands = 0xffffffff;  // the first Island beyond RCV.NXT
  std::uint16_t island_count = 0;
  std::uint16_t rcv_mss = 0;     // the largest payload that came, bytes
  std::uint8_t quick_acks = 16;  // so many ACKs before delaying starts: the peer's slow start
  bool fin_kept = false;         // a FIN waits at fin_at
  bool ece = false;              // CE was seen, and no CWR since (RFC 3168 §6.1.3)
  std::uint32_t ack_at = 0;      // tick at which a delayed ACK is due; 0 none
  Seq fin_at;
  Seq dsack_begin;  // equal: nothing to report
  Seq dsack_end;
  std::array<Seq, 4> recent = {};  // where out-of-order data arrived, the newest first
};

// A run of bytes beyond RCV.NXT (reassembly.hpp).
struct Island {
  Seq begin;
  std::uint32_t next = 0xffffffff;
  stack::Chain chain;
};

}  // namespace salut::tcp
