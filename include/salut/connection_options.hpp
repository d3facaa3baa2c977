// What one connection does differently from its stack, and how it is opened.
#pragma once

#include <cstdint>
#include <optional>

#include "salut/address.hpp"
#include "salut/stack_config.hpp"
#include "salut/time.hpp"

namespace salut {

// What one connection does differently from its stack's configuration; what is not set stays.
struct ConnectionOptions {
  std::optional<bool> no_delay;  // true: small segments do not wait (RFC 9293 section 3.7.4)
  std::optional<std::uint32_t> send_buffer;  // bytes, 2,048..1,073,741,824
  // The same. What was offered before is not taken back, and the window scale is the stack's.
  std::optional<std::uint32_t> recv_buffer;
  // Silence before the peer is probed; 0: never (RFC 9293 section 3.8.4).
  std::optional<Duration> keep_alive;
  // How long data may stay unacknowledged before the connection ends with timed_out (RFC 5482);
  // 0: the stack's retry_timeout.
  std::optional<Duration> user_timeout;
  // close() waits so long for everything to be acknowledged, then resets; 0: resets at once;
  // below 0, as it is by default: goes on in the background.
  std::optional<Duration> linger;

  // The largest payload per segment either way, timestamps included, where the port allows more;
  // 64..65,535. The peer is told in our SYN: later it binds only what we send.
  std::optional<std::uint16_t> mss;
  std::optional<Congestion> congestion;  // the controller, from now on

  // Differentiated services code point of what is sent, 0..63 (RFC 9293 section 3.9.2).
  std::optional<std::uint8_t> dscp;

  // Is any option set?
  bool any() const {
    return no_delay || send_buffer || recv_buffer || keep_alive || user_timeout || linger || mss ||
           congestion || dscp;
  }
};

struct ListenOptions {
  // Half-open connections at once, at least 1; over it SYNs are answered with cookies (RFC 4987).
  std::uint32_t backlog = 65'535;
  ConnectionOptions options = {};  // of every connection that it accepts
};

struct Listener {
  std::uint16_t index = 0;  // Event::listener of what it accepts
};

struct ConnectOptions {
  Endpoint local;          // any address, or port 0: chosen (RFC 6056) from the port's addresses
  std::uint64_t user = 0;  // comes back in every event of this connection
  ConnectionOptions options = {};
  // Active OPEN on a listener (RFC 9293 section 3.10.1): it ends, as with unlisten(), and the
  // connection has its local endpoint, whatever `local` says.
  std::optional<Listener> listener = {};
};

}  // namespace salut
