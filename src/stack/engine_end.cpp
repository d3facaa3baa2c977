// Graceful ends: of one connection, and of the whole stack.
#include <algorithm>

#include "stack/engine.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/stream_setup.hpp"
#include "tcp/timers.hpp"

namespace salut::stack {

using tcp::Flag;
using tcp::Tcb;

namespace {

constexpr Duration longest = std::chrono::hours{24};
constexpr std::uint32_t looks = 1024;  // at slots, in one call or turn

}  // namespace

Errc Engine::close_gently(Connection connection, Duration limit) {
  if (limit.count() < 0 || limit > longest) return Errc::invalid_argument;
  const std::uint32_t index = find(connection);
  if (index == tcp::TcbPool::none) return Errc::not_connected;
  Tcb& t = c_.tcbs[index];
  if (t.has(Flag::user_closed)) return Errc::not_connected;
  tcp::prepare_data(c_, t);
  take(index, t.recv.bytes);
  c_.stream(t).set(tcp::discards);
  t.set(Flag::user_closed);
  if (t.state == State::closed || t.state == State::time_wait) {  // only the reader was not done
    c_.queue_output(index);
    return Errc::ok;
  }
  if (!t.has(Flag::fin_wanted)) close_sending(index);
  if (t.ending == 0) tcp::set_deadline(c_, index, c_.stream(t).linger_at, limit);
  return Errc::ok;
}

void Engine::finish(Duration limit) {
  drain();
  finish_at_ = c_.clock.now + std::clamp(limit, Duration{0}, longest);
}

// A piece of the walk over all connections, which goes round until none has a handle: handshakes
// that were under way complete behind it. Where only unread bytes keep a connection, which is in
// CLOSED or TIME_WAIT then and not counted as open, closing it gently gives them up.
void Engine::finish_some() {
  const Instant now = c_.clock.now;
  const bool over = now >= *finish_at_;
  if (c_.counters.open_connections() != 0) none_found_ = all_told_ = false;
  const std::uint32_t end = std::min(finish_hand_ + looks, c_.tcbs.touched());
  for (; finish_hand_ < end; ++finish_hand_) {
    const Connection connection = c_.handle(finish_hand_);
    if (find(connection) == tcp::TcbPool::none) continue;
    const Tcb& t = c_.tcbs[finish_hand_];
    none_found_ = false;
    if (over && t.state != State::time_wait) {  // 2MSL is never cut short
      abort(connection);
    } else if (tcp::owned(t) && !t.has(Flag::user_closed)) {
      close_gently(connection, std::max(*finish_at_ - now, Duration{0}));
    }
  }
  if (finish_hand_ < c_.tcbs.touched()) return;
  all_told_ = none_found_ && c_.outputs.empty();
  finish_hand_ = 0;
  none_found_ = true;
}

std::size_t Engine::connections(std::uint32_t& cursor, std::span<Connection> to) const {
  const std::uint32_t touched = c_.tcbs.touched();
  const std::uint32_t end = cursor < touched ? std::min(cursor + looks, touched) : touched;
  std::size_t n = 0;
  for (; cursor < end && n < to.size(); ++cursor) {
    const Connection connection = c_.handle(cursor);
    if (find(connection) != tcp::TcbPool::none && tcp::owned(c_.tcbs[cursor])) {
      to[n++] = connection;
    }
  }
  if (cursor >= touched) cursor = 0;
  return n;
}

}  // namespace salut::stack
