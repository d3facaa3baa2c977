// What the owner of a connection asked for beyond its stack's configuration: buffer sizes, Nagle,
// keepalive (RFC 9293 §3.8.4), user timeout (RFC 5482, the local half), linger.
//
// A connection that has any has a Stream, from the SYN on where they come with listen() or
// connect(); all others pay nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "salut/connection.hpp"
#include "tcp/context.hpp"

namespace salut::tcp {

inline constexpr std::int64_t ns_per_ms = 1'000'000;

// Checked by the caller (valid_options); what is not set stays as it is.
void set_options(Context& c, std::uint32_t index, const ConnectionOptions& options);

// An option out of the range that connection_options.hpp gives, and what would be right.
struct WrongOption {
  std::string_view name;
  double value = 0;  // times in seconds, as the next two
  std::optional<double> min;
  double max = 0;
  const char* unit = "";

  std::string want() const;  // "1..32767 s"
};
// The first that is wrong.
std::optional<WrongOption> wrong_option(const ConnectionOptions& options);
inline bool valid_options(const ConnectionOptions& options) { return !wrong_option(options); }

// Where a peer that says nothing may be dead.
inline bool may_probe(State state) {
  return state == State::established || state == State::close_wait || state == State::fin_wait_2;
}

// A connection was established: keepalive begins, if the stack or the connection wants it.
void start_keep_alive(Context& c, std::uint32_t index);

// close() with bytes that the peer has not acknowledged: looks again after `orphan_timeout` whether
// it takes any. Not in SYN_SENT, which has a limit of its own: there it begins with the answer.
void watch_orphan(Context& c, std::uint32_t index);

// close() with a linger time: the peer has so long to acknowledge everything.
void start_linger(Context& c, std::uint32_t index);

// Connection::set_timer(). Errc::overload: the wheel has no room, and an earlier timer stays.
Errc set_owner_timer(Context& c, std::uint32_t index, Duration after);

}  // namespace salut::tcp
