// What the owner of a connection asked for beyond its stack's configuration: buffer sizes, Nagle,
// keepalive (RFC 9293 §3.8.4), user timeout (RFC 5482, the local half), linger.
//
// A connection that has wishes has a Stream, from the SYN on where they come with listen() or
// connect(); all others pay nothing.
#pragma once

#include "salut/connection.hpp"
#include "tcp/context.hpp"

namespace salut::tcp {

// Checked by the caller (valid_options); what is not set stays as it is.
void set_options(Context& c, std::uint32_t index, const ConnectionOptions& options);

// Are all values in the ranges that connection.hpp gives?
bool valid_options(const ConnectionOptions& options);

// A connection was established: keepalive begins, if the stack or the connection wants it.
void start_keep_alive(Context& c, std::uint32_t index);

// The deadline Stream::keep_at has come: probes, or ends, a peer that is silent. False: it is gone.
bool on_keep_alive(Context& c, std::uint32_t index);

// close() with a linger time: the peer has so long to acknowledge everything.
void start_linger(Context& c, std::uint32_t index);
// It has passed. False: the connection was reset, and is gone.
bool on_linger(Context& c, std::uint32_t index);

inline std::uint32_t send_buffer(const Context& c, const Tcb& tcb) {
  const std::uint32_t own = tcb.has(Flag::data_ready) ? c.stream(tcb).send_buffer : 0;
  return own != 0 ? own : c.config.send_buffer;
}
inline std::uint32_t recv_buffer(const Context& c, const Tcb& tcb) {
  const std::uint32_t own = tcb.has(Flag::data_ready) ? c.stream(tcb).recv_buffer : 0;
  return own != 0 ? own : c.config.recv_buffer;
}
// How many unread bytes a connection is offered room for: its buffer, but never more than half of
// what is free in the pool. So readers that never read leave room for those that do, however many
// they are, and a pool that is free gives everybody his whole buffer.
inline std::uint32_t recv_limit(const Context& c, const Tcb& tcb) {
  const std::uint64_t share = std::uint64_t{c.buffers.available_blocks()} * (block_bytes / 2);
  const std::uint64_t least = block_bytes;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(recv_buffer(c, tcb), std::max(share, least)));
}
// How many it may have: what was offered is kept to until the pool's last eighth, which is for
// those that hold little.
inline std::uint32_t recv_most(const Context& c, const Tcb& tcb) {
  const bool plenty = c.buffers.available_blocks() > c.config.buffer_blocks / 8;
  return plenty ? recv_buffer(c, tcb) : recv_limit(c, tcb);
}
// Of `most`, what the port allows: the MSS that our SYN offers.
inline std::uint16_t offered_mss(const Context& c, const Tcb& tcb, std::uint16_t most) {
  const std::uint16_t own = tcb.has(Flag::data_ready) ? c.stream(tcb).own_mss : std::uint16_t{0};
  return own != 0 ? std::min(own, most) : most;
}

}  // namespace salut::tcp
