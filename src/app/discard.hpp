// The discard server of RFC 863: reads and throws away, until the peer closes.
#pragma once

#include "app/stream_server.hpp"

namespace salut::app {

class Discard final : public StreamServer<Discard, StreamState> {
 public:
  using StreamServer::StreamServer;
  void pump(Connection connection, StreamState& state);
};

}  // namespace salut::app
