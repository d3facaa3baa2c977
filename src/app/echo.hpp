// The echo server of RFC 862: sends back what it receives, until the peer closes.
//
// What a write does not take stays unread. So a peer that does not read the answers soon cannot
// send either, and cannot fill our memory.
#pragma once

#include "app/stream_server.hpp"

namespace salut::app {

class Echo final : public StreamServer<Echo, StreamState> {
 public:
  using StreamServer::StreamServer;
  void pump(Connection connection, StreamState& state);
  static Wait waits_for(const StreamState& state);
};

}  // namespace salut::app
