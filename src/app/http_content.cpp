#include "app/http_content.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace salut::app {

namespace {

constexpr std::string_view date_name = "Date: ";
constexpr std::size_t line_bytes = 64;
constexpr std::size_t one_piece_max = 16 * 1024;

std::string_view phrase(std::uint16_t status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    default:
      return "HTTP Version Not Supported";
  }
}

}  // namespace

std::string HttpContent::body(std::uint64_t bytes) {
  std::string text;
  text.reserve(bytes + line_bytes);
  while (text.size() < bytes) {
    fmt::format_to(std::back_inserter(text), "{:016x} {:.<46}\n", text.size(), "salut");
  }
  text.resize(bytes);
  return text;
}

HttpContent::HttpContent(std::uint64_t body_bytes) : body_(body(body_bytes)) {
  for (std::size_t status = 0; status < statuses.size(); ++status) {
    for (const bool head_only : {false, true}) {
      build(status, head_only, false);
      build(status, head_only, true);
    }
  }
}

void HttpContent::build(std::size_t status, bool head_only, bool keep_alive) {
  const std::uint16_t code = statuses[status];
  const std::string message = fmt::format("{} {}\n", code, phrase(code));
  const std::string& body = code == 200 ? body_ : message;
  Response& response = responses_[status * 4 + head_only * 2 + keep_alive];
  if (code == 100) {
    response.head = "HTTP/1.1 100 Continue\r\n\r\n";
    return;
  }
  response.head = fmt::format(
      "HTTP/1.1 {} {}\r\n{}{:{}}\r\nServer: salut\r\nContent-Type: text/plain\r\n"
      "Content-Length: {}\r\n{}Connection: {}\r\n\r\n",
      code, phrase(code), date_name, "", date_size, body.size(),
      code == 405 ? "Allow: GET, HEAD\r\n" : "", keep_alive ? "keep-alive" : "close");
  if (head_only) return;
  if (body.size() <= one_piece_max) {
    response.head += body;
  } else {
    response.rest = std::as_bytes(std::span(body));
  }
}

std::size_t HttpContent::date_at(const Response& response) {
  return response.head.find(date_name) + date_name.size();
}

std::uint8_t HttpContent::index(const HttpParser::Answer& answer) {
  const auto* const found = std::find(statuses.begin(), statuses.end(), answer.status);
  const auto status = static_cast<unsigned>(found - statuses.begin());
  return static_cast<std::uint8_t>(status * 4 + answer.head_only * 2u + answer.keep_alive);
}

}  // namespace salut::app
