// What a connection needs once there is data: the state of its sender (RFC 5681, 6298) and of its
// receiver. A connection that only opens and closes has none.
//
// Lives in a pool of the stack, as large as that of the TCBs; prepare_data() takes one with the
// first byte either way and it stays until the connection ends. The pool is LIFO: what a short
// connection gave back is what the next one takes, still in cache.
#pragma once

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
};

}  // namespace salut::tcp
