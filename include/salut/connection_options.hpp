// The options of one connection, of a listener and of connect().
#pragma once

#include <cstdint>
#include <optional>

#include "salut/address.hpp"
#include "salut/stack_config.hpp"
#include "salut/time.hpp"

namespace salut {

// What one connection does differently from its stack's configuration. An option that is not set
// stays as it is.
struct ConnectionOptions {
  std::optional<bool> no_delay;  // true: small segments do not wait (RFC 9293 section 3.7.4)
  std::optional<std::uint32_t> send_buffer;  // bytes, 2,048..1,073,741,824
  // The same range. A window that was already offered is not taken back, and the window scale stays
  // the stack's.
  std::optional<std::uint32_t> recv_buffer;
  // Silence before the peer is probed, up to 24 days; 0: never (RFC 9293 section 3.8.4).
  std::optional<Duration> keep_alive;
  // From probe to probe, 1 s..32,767 s, rounded up to a second; and how many in a row may stay
  // unanswered, 1..127. As Linux; the stack's own are 1..3,600 s and 1..100.
  std::optional<Duration> keep_alive_interval;
  std::optional<std::uint32_t> keep_alive_probes;
  // How long data may stay unacknowledged before the connection ends with timed_out (RFC 5482);
  // 0: the stack's retry_timeout. Up to 24 days.
  std::optional<Duration> user_timeout;
  // How long after close() everything must be acknowledged, or the connection is reset; 0: it is
  // reset at once; below 0, the default: it goes on in the background.
  std::optional<Duration> linger;

  // The largest payload per segment in either direction, timestamps included, if the port allows
  // more; 64..65,535. Our SYN tells the peer; set later, it limits only what we send.
  std::optional<std::uint16_t> mss;
  std::optional<Congestion> congestion;  // the congestion control, from now on

  // Differentiated services code point of what is sent, 0..63 (RFC 9293 section 3.9.2).
  std::optional<std::uint8_t> dscp;

  // Is any option set?
  bool any() const {
    return no_delay || send_buffer || recv_buffer || keep_alive || keep_alive_interval ||
           keep_alive_probes || user_timeout || linger || mss || congestion || dscp;
  }
};

struct ListenOptions {
  // The most half-open connections, at least 1; further SYNs get SYN cookies (RFC 4987).
  std::uint32_t backlog = 65'535;
  ConnectionOptions options = {};  // of every connection that it accepts
};

struct Listener {
  std::uint16_t index = 0;  // Event::listener of each connection that it accepts
};

struct ConnectOptions {
  Endpoint local;          // any address, or port 0: chosen (RFC 6056) from the port's addresses
  std::uint64_t user = 0;  // comes back in every event of this connection
  ConnectionOptions options = {};
  // Active OPEN on a listener (RFC 9293 section 3.10.1). The listener ends, as with unlisten(), and
  // the connection takes over its local endpoint, whatever `local` says.
  std::optional<Listener> listener = {};
};

}  // namespace salut
