// What poll() returns: a span of these, one for each thing that happened to a connection.
#pragma once

#include <cstdint>

#include "salut/connection.hpp"
#include "salut/error.hpp"

namespace salut {

// An ICMP or ICMPv6 error, as RFC 792 and RFC 4443 number them; type 0: there was none.
struct IcmpType {
  std::uint8_t type = 0;
  std::uint8_t code = 0;
};

// `readable` and `writable` are levels, as with epoll: they come again with each poll() until they
// are used up. `readable` while read() has bytes, and then until it has said end_of_stream, if the
// peer has closed meanwhile; `writable` from when there is room again until something is written or
// the sending half is closed. Who lets either wait on purpose says so: Connection::want(). The
// other bits come once, when it happens. Up to 1,024 connections are told again in one poll(), each
// in its turn.
struct Event {
  // Bits of `what`; one segment may set several (data and FIN: readable | peer_closed).
  enum : std::uint16_t {
    accepted = 1,      // a connection on one of our listeners finished its handshake
    connected = 2,     // a connection of ours finished its handshake
    readable = 4,      // read() has bytes, or an end_of_stream that it has not told of (level)
    writable = 8,      // write() accepts again, after it had accepted less than was offered (level)
    peer_closed = 16,  // the peer's FIN: read() ends in end_of_stream, write() goes on (half-close)
    closed = 32,       // the last event of this connection, with `reason`; the handle is stale now
    returned = 64,     // lend(): bytes were acknowledged and are yours again, see send_lent
    icmp_error = 256,  // `icmp` came about what we sent; nothing has ended (RFC 9293 MUST-47)
    timer = 512,       // of Connection::set_timer(), or of Stack::set_timer(): no connection then
  };

  Connection connection;
  // What connect() was given or set_user() set, in this batch too; of Stack::set_timer() its own.
  std::uint64_t user = 0;
  std::uint16_t what = 0;
  Reason reason = Reason::none;
  std::uint16_t listener = 0;  // on `accepted`: which one, Listener::index
  IcmpType icmp;               // on `icmp_error`, and on `closed` if it ended an opening

  // Did one of these happen?
  bool has(unsigned bits) const { return (what & bits) != 0; }
};

}  // namespace salut
