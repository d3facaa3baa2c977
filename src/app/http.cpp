#include "app/http.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace salut::app {

namespace {

// Writes a date, "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 §5.6.7), into [at, at + 29) of `head`.
void write_date(std::int64_t second, std::string& head, std::size_t at) {
  static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc = {};
  const auto when = static_cast<std::time_t>(second);
  gmtime_r(&when, &utc);
  const auto day = static_cast<std::size_t>(utc.tm_wday);
  const auto month = static_cast<std::size_t>(utc.tm_mon);
  fmt::format_to_n(head.begin() + static_cast<std::ptrdiff_t>(at), HttpContent::date_size,
                   "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", days[day], utc.tm_mday,
                   months[month], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace

Http::Http(const ServerOptions& options, std::shared_ptr<const HttpContent> content,
           const HttpLimits& limits, Wall wall)
    : StreamServer(options),
      content_(std::move(content)),
      limits_(limits),
      wall_(wall),
      responses_(content_->responses()) {
  for (const HttpContent::Response& response : responses_) {
    old_head_.reserve(std::max(old_head_.capacity(), response.head.size()));
  }
}

void Http::on_events(Stack& stack, std::span<const Event> events) {
  if (const Instant now = stack.now(); now >= second_ends_) [[unlikely]] {
    set_date(now);
  }
  StreamServer::on_events(stack, events);
}

void Http::set_date(Instant now) {
  const auto wall = std::chrono::duration_cast<Duration>(wall_().time_since_epoch());
  const auto whole = std::chrono::floor<std::chrono::seconds>(wall);
  second_ends_ = now + (whole + std::chrono::seconds{1} - wall);
  second_ = whole.count();
  for (std::uint8_t index = 0; index < responses_.size(); ++index) {
    HttpContent::Response& response = responses_[index];
    if (HttpContent::is_final(index)) {
      write_date(second_, response.head, HttpContent::date_at(response));
    }
  }
}

void Http::pump(Connection connection, HttpState& state) {
  while (true) {
    if (state.response != HttpState::no_response) {
      if (!respond(connection, state)) return;  // `writable` follows
      if (state.last) return end(connection, state);
    }
    const std::span<const std::byte> bytes = input(connection, state);
    if (bytes.empty()) return;

    const bool began = !state.parser.in_body();
    const auto [consumed, answer] = state.parser.feed(bytes, limits_);
    consume(connection, consumed);
    if (state.parser.in_body()) count_body(state, began, consumed);
    if (answer.status != 0) answer_with(state, answer);
  }
}

void Http::answer_with(HttpState& state, const HttpParser::Answer& answer) {
  state.response = HttpContent::index(answer);
  state.sent = 0;
  state.last = !answer.keep_alive;
  const bool parsed = answer.status == 200 || answer.status == 404 || answer.status == 405;
  state.refused = answer.unread || (!parsed && answer.status != 100);
}

void Http::count_body(HttpState& state, bool began, std::size_t bytes) {
  state.body_read += static_cast<std::uint32_t>(bytes);
  if (!began && state.body_read < progress_bytes) return;
  state.body_read = 0;
  state.progressed = true;
}

Wait Http::waits_for(const HttpState& state) {
  if (state.response != HttpState::no_response) return Wait::send;
  return state.asked && state.parser.idle() ? Wait::idle : Wait::header;
}

void Http::on_header_timeout(Connection connection, HttpState& state) {
  if (state.parser.idle()) return finish(connection, state);
  answer_with(state, state.parser.time_out());
  pump(connection, state);
}

// Sends what is left of the answer; true when write() has taken all of it.
bool Http::respond(Connection connection, HttpState& state) {
  const HttpContent::Response& response = responses_[state.response];
  while (state.sent < response.size()) {
    const std::span<const std::byte> bytes = next_piece(state);
    // The body lives as long as the server, so that we need not wait for `returned`.
    const bool lent = state.sent >= response.head.size();
    const std::size_t taken = send(connection, state, bytes, lent);
    state.sent += taken;
    state.progressed = state.progressed || taken != 0;
    if (taken < bytes.size()) return false;
  }
  const bool final = HttpContent::is_final(state.response);
  state.response = HttpState::no_response;
  if (final) {
    ++totals_.requests;
    state.asked = state.progressed = true;
  }
  return true;
}

// The rest of the head; after that, the rest of the body.
std::span<const std::byte> Http::next_piece(HttpState& state) {
  const HttpContent::Response& response = responses_[state.response];
  const std::uint64_t head_size = response.head.size();
  if (state.sent >= head_size) return response.rest.subspan(state.sent - head_size);
  if (state.sent == 0) state.second = second_;
  if (state.second == second_ || !HttpContent::is_final(state.response)) [[likely]] {
    return std::as_bytes(std::span(response.head)).subspan(state.sent);
  }
  old_head_ = response.head;
  write_date(state.second, old_head_, HttpContent::date_at(response));
  return std::as_bytes(std::span(old_head_)).subspan(state.sent);
}

void Http::end(Connection connection, HttpState& state) {
  if (state.refused) return linger(connection, state);
  // close() with unread bytes would be a reset: read them first.
  const std::uint64_t before = totals_.bytes_in;
  if (!discard(connection, state)) return;
  if (totals_.bytes_in == before) return finish(connection, state);
  linger(connection, state);
}

}  // namespace salut::app
