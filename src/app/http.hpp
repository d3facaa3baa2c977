// An HTTP/1.1 server with one page: GET and HEAD, keep-alive, pipelining, a body of fixed size.
//
// Requests are answered one after the other. While an answer is not fully taken by write(), what
// was read of the next requests waits in the connection's block and nothing more is read.
//
// After the last answer (`Connection: close`, HTTP/1.0, or a request that cannot be followed by
// another) the connection is closed when write() has taken all of it; if the peer has sent more,
// or is still sending a body that was refused, it lingers so that our answer is not lost to a RST.
#pragma once

#include <cstdint>
#include <memory>

#include "app/http_content.hpp"
#include "app/http_parser.hpp"
#include "app/stream_server.hpp"

namespace salut::app {

struct HttpState : StreamState {
  static constexpr std::uint8_t no_response = 255;

  std::uint8_t response = no_response;  // the one being sent, of HttpContent
  bool last = false;                    // close after it
  bool refused = false;                 // more input may be on its way
  std::uint64_t sent = 0;               // bytes of it
  HttpParser parser;
};

class Http final : public StreamServer<Http, HttpState> {
 public:
  Http(const ServerOptions& options, std::shared_ptr<const HttpContent> content,
       const HttpLimits& limits = {});
  void pump(Connection connection, HttpState& state);

 private:
  bool respond(Connection connection, HttpState& state);
  void end(Connection connection, HttpState& state);

  std::shared_ptr<const HttpContent> content_;
  HttpLimits limits_;
};

}  // namespace salut::app
