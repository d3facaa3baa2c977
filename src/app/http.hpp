// An HTTP/1.1 server with one page: GET and HEAD, keep-alive, pipelining, a body of fixed size.
//
// Requests are answered one after the other, and parsed where the stack has them. Until write() has
// taken all of an answer, the next requests stay there unread.
//
// The Date header comes from the system clock. It is read when Stack::now() says that a second is
// over, so that an answer costs no system call. If write() took only part of an answer's head, the
// rest keeps the date with which it began.
//
// After the last answer (`Connection: close`, HTTP/1.0, or a request that cannot be followed by
// another) the connection is closed when write() has taken all of it; if the peer has sent more,
// or is still sending a body that was refused, it lingers so that our answer is not lost to a RST.
//
// The head of a request has header_timeout as a whole, however its bytes trickle; its body as long
// for each 4 KiB. Then the answer is 408, or none to a peer that has not said a word: it would take
// it for the answer to the request that it is just sending.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "app/http_content.hpp"
#include "app/http_parser.hpp"
#include "app/stream_server.hpp"

namespace salut::app {

struct HttpState : StreamState {
  static constexpr std::uint8_t no_response = 255;

  std::uint8_t response = no_response;  // index of the answer that is being sent
  bool last = false;                    // close after this answer
  bool refused = false;                 // more input of this request may come
  bool asked = false;                   // at least one request was answered
  std::uint64_t sent = 0;               // bytes of the answer
  std::int64_t second = 0;              // the answer's date, in seconds since 1970
  std::uint32_t body_read = 0;          // of a request's body, since its wait began
  HttpParser parser;
};

class Http final : public StreamServer<Http, HttpState> {
 public:
  using Wall = std::chrono::system_clock::time_point (*)();

  Http(const ServerOptions& options, std::shared_ptr<const HttpContent> content,
       const HttpLimits& limits = {}, Wall wall = std::chrono::system_clock::now);
  void on_events(Stack& stack, std::span<const Event> events) override;
  void pump(Connection connection, HttpState& state);
  static Wait waits_for(const HttpState& state);
  void on_header_timeout(Connection connection, HttpState& state);

 private:
  static void answer_with(HttpState& state, const HttpParser::Answer& answer);
  static void count_body(HttpState& state, bool began, std::size_t bytes);
  bool respond(Connection connection, HttpState& state);
  void end(Connection connection, HttpState& state);
  std::span<const std::byte> next_piece(HttpState& state);
  void set_date(Instant now);

  std::shared_ptr<const HttpContent> content_;
  HttpLimits limits_;
  Wall wall_;
  HttpContent::Responses responses_;  // their heads have the date of second_
  std::int64_t second_ = 0;
  Instant second_ends_;
  std::string old_head_;  // the head of an answer that was begun in an earlier second
};

}  // namespace salut::app
