// RFC 862: sends back what it receives, until the peer closes.
//
// While a write is short nothing is read, so that a peer which does not read what it is sent closes
// its own window and never fills our memory.
#pragma once

#include "app/stream_server.hpp"

namespace salut::app {

class Echo final : public StreamServer<Echo, StreamState> {
 public:
  using StreamServer::StreamServer;
  void pump(Connection connection, StreamState& state);
};

}  // namespace salut::app
