// The receive window: how much room a connection offers, when it says that there is more, and the
// limits of both buffers.
//
// The right edge that was offered, RCV.ADV, never moves left (RFC 9293 §3.8.6.2), and moves right
// only by a worthwhile step (silly window avoidance).
#pragma once

#include <algorithm>

#include "tcp/shares.hpp"

namespace salut::tcp {

inline std::uint32_t send_buffer(const Context& c, const Tcb& tcb) {
  const std::uint32_t own = tcb.has(Flag::data_ready) ? c.stream(tcb).send_buffer : 0;
  return own != 0 ? own : c.config.send_buffer;
}
inline std::uint32_t recv_buffer(const Context& c, const Tcb& tcb) {
  const std::uint32_t own = tcb.has(Flag::data_ready) ? c.stream(tcb).recv_buffer : 0;
  return own != 0 ? own : c.config.recv_buffer;
}
// What a SYN says of a window: it is never scaled (RFC 7323 §2.2).
constexpr std::uint32_t syn_window(std::uint32_t window) { return std::min(window, 65'535u); }

// How many unread bytes a connection is offered room for: its buffer, but never more than half of
// what is free in the pool beyond the last eighth, and two blocks in any case. So readers that
// never read leave room for those that do, however many they are, and a pool that is free gives
// everybody his whole buffer.
std::uint32_t recv_limit_if_short(const Context& c, std::uint32_t buffer);
inline std::uint32_t recv_limit(const Context& c, const Tcb& tcb) {
  const std::uint32_t buffer = recv_buffer(c, tcb);
  const bool plenty =
      c.buffers.available_blocks() >= c.plenty_blocks && buffer <= c.config.recv_buffer;
  return plenty ? buffer : recv_limit_if_short(c, buffer);
}
// Is no more than a quarter of the pool free? Until then a connection may have what it was offered
// room for, however long ago: as much as its buffer.
inline bool are_blocks_short(const Context& c) {
  return free_blocks(c) <= c.config.buffer_blocks >> kept_for_receiving;
}
// And then: what its share of the pool has room for, at most its buffer. REQUIRES:
// Flag::data_ready.
inline std::uint32_t recv_share(const Context& c, const Tcb& tcb) {
  const std::uint64_t share =
      std::uint64_t{tcb.recv.bytes} + c.buffers.room(tcb.recv, blocks_for_receiving(c, tcb));
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(recv_buffer(c, tcb), share));
}

// The window to offer now, as the header carries it. Moves RCV.ADV, so the segment must leave.
// The right edge moves only by a worthwhile step (RFC 9293 §3.8.6.2.2, silly window avoidance) and
// never back.
inline std::uint16_t offer_window(const Context& c, Tcb& tcb) {
  const std::uint32_t queued = tcb.has(Flag::data_ready) ? tcb.recv.bytes : 0;
  const std::uint32_t buffer = recv_limit(c, tcb);
  const Seq edge = tcb.rcv_nxt + (buffer - std::min(buffer, queued));
  const std::uint32_t step = std::min<std::uint32_t>(buffer / 2, tcb.mss);
  if (edge > tcb.rcv_adv && edge - tcb.rcv_adv >= step) tcb.rcv_adv = edge;
  return tcb.wnd_field();
}

// The reader made room for two segments or half the buffer, and the peer saw less than half.
bool is_update_due(const Context& c, const Tcb& tcb);

}  // namespace salut::tcp
