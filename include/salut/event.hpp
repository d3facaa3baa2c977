// What poll() returns: a span of these, one for each thing that happened to a connection.
#pragma once

#include <cstdint>

#include "salut/connection.hpp"
#include "salut/error.hpp"

namespace salut {

struct Event {
  // Bits of `what`; one segment may set several (data and FIN: readable | peer_closed).
  enum : std::uint8_t {
    accepted = 1,      // a connection on one of our listeners finished its handshake
    connected = 2,     // a connection of ours finished its handshake
    readable = 4,      // read() has something new
    writable = 8,      // write() accepts again, after it had accepted less than was offered
    peer_closed = 16,  // the peer's FIN: read() ends in end_of_stream, write() goes on (half-close)
    closed = 32,       // the last event of this connection, with `reason`; the handle is stale now
    returned = 64,     // lend(): bytes were acknowledged and are yours again, see send_lent
  };

  Connection connection;
  std::uint64_t user = 0;  // what connect() was given or set_user() set; 0 on `accepted`
  std::uint8_t what = 0;
  Reason reason = Reason::none;
  std::uint16_t listener = 0;  // on `accepted`: which one, Listener::index

  bool has(std::uint8_t bits) const { return (what & bits) != 0; }
};

}  // namespace salut
