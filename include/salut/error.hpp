// Errors are values. Set-up (configuration, ports, memory) returns an Error with one line of text
// for a person. A function that may be called per packet returns an Errc, one byte, and never
// allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "salut/export.hpp"

namespace salut {

enum class Errc : std::uint8_t {
  ok,
  invalid_argument,  // a value that can never be right
  bad_config,        // a configuration that names file and key in its message
  not_found,         // a file, a port, a device or a timer that is not there, or no longer
  in_use,            // an address that has a listener, a name that another instance holds
  no_permission,
  no_memory,
  not_connected,  // a stale handle, or a connection that has ended
  not_writable,   // the sending half is closed
  end_of_stream,  // the peer has closed and everything was read
  no_port,        // no local address and port is free for this peer
  no_route,       // no configured port leads there
  overload,       // a pool is full: TCBs, listeners, timers, …; what is open goes on, closing too
  unsupported,    // the system, the device or this version cannot do it; the message says what
  stopped,        // the application of this stack has returned
};

// The code in words, for a message: "the address or name is in use".
SALUT_API std::string_view describe(Errc code);

struct Error {
  Errc code = Errc::ok;
  std::string message;  // one line: what, the value found, and what would be right
};

template <typename T>
using Result = tl::expected<T, Error>;

// Makes the error of a function that returns a Result: return fail(Errc::in_use, "…").
inline tl::unexpected<Error> fail(Errc code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

// Why a connection ended; each connection reports one of these exactly once (Event::closed).
enum class Reason : std::uint8_t {
  none,
  closed,       // both halves closed in order
  reset,        // the peer sent RST
  refused,      // RST in answer to our SYN
  timed_out,    // no answer for R2 (RFC 1122 §4.2.3.5), to keep-alive probes, or after close()
  unreachable,  // the next hop does not answer, or a hard ICMP error came (RFC 1122 §4.2.3.9)
  aborted,      // by this side
  overload,     // it held buffers, did not move, and others had none
};
inline constexpr std::size_t reason_count = static_cast<std::size_t>(Reason::overload) + 1;

// The reason as reports write it: "timed_out".
SALUT_API std::string_view name(Reason reason);

}  // namespace salut
