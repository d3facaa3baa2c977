// An incremental parser of HTTP/1.x requests (RFC 9112), for a server that answers with a file.
//
// Bytes go in as they arrive, in pieces of any size, and nothing is buffered: each byte moves a
// small state machine, and only the word that is being read (a method, a path, the name of a
// header) is kept, 24 bytes of it. So a connection costs 56 bytes, however slowly its peer sends,
// and a request split at any byte parses like one that came whole.
//
// The parser returns the status that the server should send:
//   200 GET or HEAD of a path that exists     404 of one that does not
//   405 another method                        411 a body of unknown length (chunked)
//   400 malformed                             413 head or body over the limit
//   505 not HTTP/1
// After 400, 411, 413 and 505 we cannot know where the next request begins: the server closes.
// A body with Content-Length is skipped before the answer. A client may wait for our consent to
// send its body (Expect: 100-continue, RFC 9110 §10.1.1). It gets 100 first if the body will be
// read; if the answer is no success anyway, it gets that at once, and the server closes. 100 is not
// sent if some of the body came with the head, nor to HTTP/1.0; other expectations are ignored.
//
// Request smuggling lives on lax parsers (RFC 9112 §11.2), so this one is strict: no space before a
// colon, no folded lines, no bare CR, one Host, one value of Content-Length. A bare LF ends a line
// (§2.2).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace salut::app {

struct HttpLimits {
  std::uint32_t head = 8'192;             // bytes of request line and headers
  std::uint64_t body = 16 * 1024 * 1024;  // bytes of a request's body
};

// The paths that exist.
bool http_path_exists(std::string_view path);

class HttpParser {
 public:
  struct Answer {
    std::uint16_t status = 0;  // 0: the request is not complete; 100: the final answer will follow
    bool head_only = false;    // HEAD: the answer has no body
    bool keep_alive = false;   // another request may follow on this connection
    bool unread = false;       // the request's body was not read and may still come
  };
  struct Progress {
    std::size_t consumed = 0;  // bytes taken from the front
    Answer answer;             // a status other than 0 and 100: a request ended at `consumed`
  };

  // Takes bytes up to the end of one request. After an answer the parser is ready for the next.
  Progress feed(std::span<const std::byte> bytes, const HttpLimits& limits = {});

  // Between two requests: nothing of the next has arrived.
  bool idle() const { return state_ == State::start; }
  // The head is complete and the body is not.
  bool in_body() const { return state_ == State::body; }
  // The rest of the request did not come in time: 408, and nothing more of it is parsed.
  Answer time_out();

 private:
  enum class State : std::uint8_t {
    start,  // before a request line; empty lines are skipped
    method,
    target,  // its first byte
    scheme,  // of an absolute target: up to "://"
    scheme_slash,
    authority,
    path,
    query,
    version,
    version_end,
    line_start,  // of a header, or the end of the head
    name,
    value_start,  // spaces after the colon
    value,
    line_end,  // after CR
    head_end,  // after CR of the empty line
    body,
  };
  enum class Header : std::uint8_t {
    other,
    host,
    connection,
    content_length,
    transfer_encoding,
    expect
  };

  bool step(char c);
  bool step_method(char c);
  bool step_target(char c);
  bool step_version(char c);
  bool step_header(char c);
  bool begin_value();
  bool step_value(char c);
  bool end_value();
  bool end_head();
  bool step_length(char c);
  void end_option();
  bool waits_for_continue() const;
  void end_path();
  bool refuse(std::uint16_t status);

  void clear_word() { word_length_ = 0; }
  void push(char c) {
    if (word_length_ < word_.size()) word_[word_length_] = c;
    if (word_length_ < 255) ++word_length_;
  }
  // The word that was pushed. If it was longer than 24 bytes, it is none that we know: "\x7f".
  std::string_view word() const {
    return word_length_ <= word_.size() ? std::string_view(word_.data(), word_length_) : "\x7f";
  }

  std::array<char, 24> word_ = {};
  std::uint64_t body_left_ = 0;
  std::uint32_t head_bytes_ = 0;
  std::uint16_t status_ = 0;  // of the answer; 0: not decided yet
  std::uint8_t word_length_ = 0;
  State state_ = State::start;
  Header header_ = Header::other;
  std::uint8_t hosts_ = 0;
  bool get_ : 1 = false;
  bool head_ : 1 = false;
  bool exists_ : 1 = false;
  bool minor_0_ : 1 = false;
  bool has_length_ : 1 = false;
  bool has_digits_ : 1 = false;
  bool chunked_ : 1 = false;
  bool close_ : 1 = false;
  bool keep_ : 1 = false;
  bool space_ : 1 = false;
  bool expect_ : 1 = false;
};

static_assert(sizeof(HttpParser) <= 56);

}  // namespace salut::app
