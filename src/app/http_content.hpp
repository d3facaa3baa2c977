// Every answer that the HTTP server can give, built once and shared by all workers.
//
// The body is text whose every line of 64 bytes begins with its own offset, so that bytes that were
// lost, repeated or swapped show where. Answers with a small body are one piece of memory: one
// write() each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "app/http_parser.hpp"

namespace salut::app {

class HttpContent {
 public:
  explicit HttpContent(std::uint64_t body_bytes);
  HttpContent(const HttpContent&) = delete;
  HttpContent& operator=(const HttpContent&) = delete;

  struct Response {
    std::string head;                 // with the body, if that is small
    std::span<const std::byte> rest;  // the body, if it is not
    std::uint64_t size() const { return head.size() + rest.size(); }
  };

  static std::uint8_t index(const HttpParser::Answer& answer);
  const Response& response(std::uint8_t index) const { return responses_[index]; }

  static std::string body(std::uint64_t bytes);

 private:
  static constexpr std::array<std::uint16_t, 7> statuses = {200, 400, 404, 405, 411, 413, 505};

  void build(std::size_t status, bool head_only, bool keep_alive);

  std::string body_;
  std::array<Response, statuses.size() * 4> responses_;  // status * 4 + head_only * 2 + keep_alive
};

}  // namespace salut::app
