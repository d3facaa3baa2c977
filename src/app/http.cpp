#include "app/http.hpp"

#include <utility>

namespace salut::app {

Http::Http(const ServerOptions& options, std::shared_ptr<const HttpContent> content,
           const HttpLimits& limits)
    : StreamServer(options), content_(std::move(content)), limits_(limits) {}

void Http::pump(Connection connection, HttpState& state) {
  while (true) {
    if (state.response != HttpState::no_response) {
      if (!respond(connection, state)) return;  // `writable` follows
      if (state.last) return end(connection, state);
    }
    if (!state.has_input() && !fill(connection, state)) return;

    const auto [consumed, answer] = state.parser.feed(input(state), limits_);
    consume(state, consumed);
    if (answer.status == 0) continue;
    state.response = HttpContent::index(answer);
    state.sent = 0;
    state.last = !answer.keep_alive;
    state.refused = answer.status != 200 && answer.status != 404 && answer.status != 405;
  }
}

// Sends what is left of the answer; true when write() has taken all of it.
bool Http::respond(Connection connection, HttpState& state) {
  const HttpContent::Response& response = content_->response(state.response);
  const std::uint64_t head_size = response.head.size();
  while (state.sent < response.size()) {
    const std::span<const std::byte> bytes =
        state.sent < head_size ? std::as_bytes(std::span(response.head)).subspan(state.sent)
                               : response.rest.subspan(state.sent - head_size);
    // A body lies there for as long as the server does: nobody needs to be told of its return.
    const bool lent = state.sent >= head_size;
    const std::size_t taken = send(connection, state, bytes, lent);
    state.sent += taken;
    if (taken < bytes.size()) return false;
  }
  state.response = HttpState::no_response;
  ++totals_.requests;
  return true;
}

void Http::end(Connection connection, HttpState& state) {
  if (state.refused || state.has_input()) return linger(connection, state);
  // close() with bytes unread would be a reset: look first.
  const std::uint64_t before = totals_.bytes_in;
  if (!discard(connection, state)) return;
  if (totals_.bytes_in == before) return finish(connection, state);
  linger(connection, state);
}

}  // namespace salut::app
