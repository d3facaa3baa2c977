#include "guests.hpp"

#include <array>
#include <span>
#include <vector>

#include "attacker.hpp"

namespace salut::hostile {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t long_answer = 300'000;
constexpr std::uint32_t short_answer = 100;
constexpr Duration sweep_every = 1s;

}  // namespace

void Guests::adopt(Connection connection, Instant now) {
  if (ended_) {
    static_cast<void>(engine_.abort(connection));
    return;
  }
  guests_[connection] = Guest{.moved = now};
}

bool Guests::on_event(const Event& event, Instant now) {
  const auto at = guests_.find(event.connection);
  if (at == guests_.end()) return false;
  if (event.has(Event::closed)) {
    guests_.erase(at);
  } else if (!at->second.closed) {
    serve(event.connection, at->second, now);
  }
  return true;
}

void Guests::serve(Connection connection, Guest& guest, Instant now) {
  do {
    if (!write(connection, guest, now)) return;
    if (guest.last) {
      guest.closed = true;
      static_cast<void>(engine_.close(connection));
      return;
    }
  } while (read(connection, guest, now));
}

bool Guests::read(Connection connection, Guest& guest, Instant now) {
  std::array<std::byte, 100> request;
  const auto n = engine_.read(connection, request);
  if (!n && n.error() == Errc::end_of_stream) {
    guest.last = true;
    return true;
  }
  if (!n || *n == 0) return false;
  guest.last = request[0] == asks_for_little;
  if (request[0] == asks_for_much) guest.left = long_answer;
  if (request[0] == own_.first) guest.left = own_.second;
  if (guest.last) guest.left = short_answer;
  if (guest.left > 0) guest.moved = now;
  return true;
}

bool Guests::write(Connection connection, Guest& guest, Instant now) {
  static const std::vector<std::byte> answer(long_answer);
  if (guest.left == 0) return true;
  const auto n = engine_.write(connection, std::span(answer).first(guest.left));
  if (!n) return false;
  if (*n > 0) guest.moved = now;
  guest.left -= static_cast<std::uint32_t>(*n);
  return guest.left == 0;
}

Instant Guests::turn(Instant now) {
  if (guests_.empty()) return Instant::max();
  bool ended = false;
  if (now >= swept_ + sweep_every) {
    swept_ = now;
    for (const auto& [connection, guest] : guests_) {
      if (now - guest.moved < patience_) continue;
      static_cast<void>(engine_.abort(connection));
      ended = true;
    }
  }
  return ended ? now : swept_ + sweep_every;
}

void Guests::end_all() {
  ended_ = true;
  for (const auto& [connection, guest] : guests_) static_cast<void>(engine_.abort(connection));
}

}  // namespace salut::hostile
