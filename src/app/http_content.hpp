// Every answer that the HTTP server can give, built once and shared by all workers.
//
// The body is text in lines of 64 bytes. Each begins with its own offset, which shows where bytes
// were lost, repeated or swapped. An answer with a small body is one piece of memory and needs one
// write(). Each worker copies the heads, to keep the date in them.
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
  using Responses = std::array<Response, 9 * 4>;  // status * 4 + head_only * 2 + keep_alive
  // The length of the date, and where it is in every head but that of status 100.
  static constexpr std::size_t date_size = 29;
  static std::size_t date_at(const Response& response);

  static std::uint8_t index(const HttpParser::Answer& answer);
  static bool is_final(std::uint8_t index) { return index >= 4; }
  const Responses& responses() const { return responses_; }

  static std::string body(std::uint64_t bytes);

 private:
  static constexpr std::array<std::uint16_t, 9> statuses = {100, 200, 400, 404, 405,
                                                            408, 411, 413, 505};

  void build(std::size_t status, bool head_only, bool keep_alive);

  std::string body_;
  static_assert(std::tuple_size_v<Responses> == statuses.size() * 4);
  Responses responses_;
};

}  // namespace salut::app
