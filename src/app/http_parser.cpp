#include "app/http_parser.hpp"

#include <algorithm>
#include <limits>

namespace salut::app {

namespace {

constexpr auto token_bytes = [] {
  std::array<bool, 256> token = {};
  for (int c = 'a'; c <= 'z'; ++c) token[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) token[static_cast<std::size_t>(c)] = true;
  for (int c = '0'; c <= '9'; ++c) token[static_cast<std::size_t>(c)] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~"))
    token[static_cast<std::size_t>(c)] = true;
  return token;
}();

constexpr bool is_token(char c) { return token_bytes[static_cast<unsigned char>(c)]; }
constexpr bool is_visible(char c) { return c > ' ' && c < 0x7f; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

// May the value of a header have this byte? Text, tabs, and bytes of other encodings.
constexpr bool is_text(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= ' ' && byte != 0x7f) || c == '\t';
}

constexpr std::uint64_t length_max = std::numeric_limits<std::uint64_t>::max() / 2;

}  // namespace

bool http_path_exists(std::string_view path) { return path == "/" || path == "/index.html"; }

HttpParser::Progress HttpParser::feed(std::span<const std::byte> bytes, const HttpLimits& limits) {
  const auto finish = [this](std::size_t consumed, bool keep_alive) {
    const bool unread = state_ == State::body && body_left_ != 0;
    const Progress progress{consumed, {status_, head_, keep_alive, unread}};
    *this = HttpParser{};
    return progress;
  };

  std::size_t i = 0;
  while (i < bytes.size()) {
    if (state_ == State::body) {
      const std::uint64_t taken = std::min<std::uint64_t>(body_left_, bytes.size() - i);
      body_left_ -= taken;
      i += taken;
    } else {
      if (++head_bytes_ > limits.head) refuse(413);
      if (head_bytes_ > limits.head || !step(static_cast<char>(bytes[i]))) {
        return finish(i + 1, false);
      }
      ++i;
      if (state_ != State::body) continue;
      if (body_left_ > limits.body) {
        refuse(413);
        return finish(i, false);
      }
      if (waits_for_continue()) {
        if (status_ != 200) return finish(i, false);
        if (i == bytes.size()) return {i, {.status = 100, .keep_alive = true}};
      }
    }
    if (body_left_ == 0) return finish(i, !close_ && (!minor_0_ || keep_));
  }
  return {i, {}};
}

HttpParser::Answer HttpParser::time_out() {
  const Answer answer{.status = 408, .head_only = head_, .unread = true};
  *this = HttpParser{};
  return answer;
}

// One byte of the head. False: the request is refused with status_.
bool HttpParser::step(char c) {
  switch (state_) {
    case State::value:
      return step_value(c);
    case State::line_start:
    case State::name:
    case State::value_start:
    case State::line_end:
    case State::head_end:
      return step_header(c);
    case State::version:
    case State::version_end:
      return step_version(c);
    case State::start:
    case State::method:
      return step_method(c);
    default:
      return step_target(c);
  }
}

bool HttpParser::step_method(char c) {
  if (state_ == State::start) {
    if (c == '\r' || c == '\n') return true;
    state_ = State::method;
  }
  if (is_token(c)) {
    push(c);
    return true;
  }
  if (c != ' ' || word_length_ == 0) return refuse(400);
  get_ = word() == "GET";
  head_ = word() == "HEAD";
  clear_word();
  state_ = State::target;
  return true;
}

bool HttpParser::step_target(char c) {
  switch (state_) {
    case State::target:
      if (!is_visible(c)) return refuse(400);
      push(lower(c));
      if (!get_ && !head_) {
        state_ = State::query;  // whatever it is, the answer is 405
      } else if (c == '/' || c == '*') {
        state_ = State::path;
      } else if (is_alpha(c)) {
        state_ = State::scheme;
      } else {
        return refuse(400);
      }
      return true;
    case State::scheme:
      if (c != ':') {
        push(lower(c));
        return is_token(c) || refuse(400);
      }
      if (word() != "http" && word() != "https") return refuse(400);
      clear_word();
      state_ = State::scheme_slash;
      return true;
    case State::scheme_slash:
      if (c != '/') return refuse(400);
      push(c);
      if (word_length_ == 2) state_ = State::authority;
      return true;
    case State::authority:
      if (is_visible(c) && c != '/' && c != '?') return true;
      clear_word();
      push('/');
      state_ = State::path;
      if (c == '/') return true;
      [[fallthrough]];
    case State::path:
      if (c == '?' || c == ' ') {
        end_path();
        state_ = c == '?' ? State::query : State::version;
        return true;
      }
      push(c);
      return is_visible(c) || refuse(400);
    default:  // query
      if (c == ' ') {
        clear_word();
        state_ = State::version;
        return true;
      }
      return is_visible(c) || refuse(400);
  }
}

void HttpParser::end_path() {
  exists_ = http_path_exists(word());
  clear_word();
}

bool HttpParser::step_version(char c) {
  if (state_ == State::version && c != '\r' && c != '\n') {
    push(c);
    return word_length_ <= 8 || refuse(400);
  }
  if (state_ == State::version) {
    const std::string_view version = word();
    if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) ||
        version[6] != '.' || !is_digit(version[7])) {
      return refuse(400);
    }
    if (version[5] != '1') return refuse(505);
    minor_0_ = version[7] == '0';
    state_ = State::version_end;
    if (c == '\r') return true;
  }
  if (c != '\n') return refuse(400);
  state_ = State::line_start;
  return true;
}

bool HttpParser::step_header(char c) {
  switch (state_) {
    case State::line_start:
      if (c == '\n') return end_head();
      if (c == '\r') {
        state_ = State::head_end;
        return true;
      }
      clear_word();
      state_ = State::name;
      [[fallthrough]];
    case State::name:
      if (c == ':') return begin_value();
      push(lower(c));
      return is_token(c) || refuse(400);  // also refuses a folded line: it starts with a space
    case State::value_start:
      if (c == ' ' || c == '\t') return true;
      state_ = State::value;
      return step_value(c);
    case State::line_end:
      return c == '\n' ? end_value() : refuse(400);
    default:
      return c == '\n' ? end_head() : refuse(400);  // head_end
  }
}

bool HttpParser::begin_value() {
  const std::string_view name = word();
  header_ = Header::other;
  if (name.empty()) return refuse(400);
  if (name == "host") {
    header_ = Header::host;
    if (++hosts_ > 1) return refuse(400);
  } else if (name == "connection") {
    header_ = Header::connection;
  } else if (name == "content-length") {
    header_ = Header::content_length;
    if (has_length_) return refuse(400);
    has_length_ = true;
  } else if (name == "expect") {
    header_ = Header::expect;
  } else if (name == "transfer-encoding") {
    header_ = Header::transfer_encoding;
    chunked_ = true;
  }
  clear_word();
  space_ = false;
  state_ = State::value_start;
  return true;
}

bool HttpParser::step_value(char c) {
  if (c == '\r') {
    state_ = State::line_end;
    return true;
  }
  if (c == '\n') return end_value();
  if (!is_text(c)) return refuse(400);
  if (header_ == Header::content_length) return step_length(c);
  if (header_ == Header::connection || header_ == Header::expect) {
    if (c == ',') {
      end_option();
    } else if (c != ' ' && c != '\t') {
      push(lower(c));
    }
  }
  return true;
}

bool HttpParser::step_length(char c) {
  if (c == ' ' || c == '\t') {
    space_ = true;
    return true;
  }
  if (!is_digit(c) || space_) return refuse(400);
  has_digits_ = true;
  // Saturates above any limit, so that an overflow gives 413 and not a small number.
  body_left_ = std::min(body_left_, length_max / 10 - 1) * 10 + static_cast<unsigned>(c - '0');
  return true;
}

void HttpParser::end_option() {
  if (header_ == Header::expect) {
    expect_ = expect_ || word() == "100-continue";
    return clear_word();
  }
  close_ = close_ || word() == "close";
  keep_ = keep_ || word() == "keep-alive";
  clear_word();
}

bool HttpParser::end_value() {
  if (header_ == Header::connection || header_ == Header::expect) end_option();
  if (header_ == Header::content_length && !has_digits_) return refuse(400);
  state_ = State::line_start;
  return true;
}

bool HttpParser::waits_for_continue() const { return expect_ && !minor_0_ && body_left_ != 0; }

bool HttpParser::end_head() {
  if (!minor_0_ && hosts_ != 1) return refuse(400);
  if (chunked_) return refuse(has_length_ ? 400 : 411);
  status_ = !get_ && !head_ ? 405 : !exists_ ? 404 : 200;
  state_ = State::body;
  return true;
}

bool HttpParser::refuse(std::uint16_t status) {
  status_ = status;
  return false;
}

}  // namespace salut::app
