#include "strangers.hpp"

#include <array>
#include <vector>

#include "attacker.hpp"

namespace salut::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t long_answer = 300'000;
constexpr std::uint32_t short_answer = 100;
constexpr Duration sweep_every = 1s;

}  // namespace

void Strangers::adopt(Connection connection) {
  ++served_;
  if (ended_) {
    static_cast<void>(host_.engine->abort(connection));
    return;
  }
  guests_[connection] = Guest{.moved = world_.now()};
}

bool Strangers::on_event(const Event& event) {
  const auto at = guests_.find(event.connection);
  if (at == guests_.end()) return false;
  if (event.has(Event::closed)) {
    guests_.erase(at);
  } else if (!at->second.closed) {
    serve(event.connection, at->second);
  }
  return true;
}

void Strangers::serve(Connection connection, Guest& guest) {
  do {
    if (!write(connection, guest)) return;
    if (guest.last) {
      guest.closed = true;
      static_cast<void>(host_.engine->close(connection));
      return;
    }
  } while (read(connection, guest));
}

bool Strangers::read(Connection connection, Guest& guest) {
  std::array<std::byte, 100> request;
  const auto n = host_.engine->read(connection, request);
  if (!n && n.error() == Errc::end_of_stream) {
    guest.last = true;
    return true;
  }
  if (!n || *n == 0) return false;
  guest.last = request[0] == hostile::asks_for_little;
  if (request[0] == hostile::asks_for_much) guest.left = long_answer;
  if (guest.last) guest.left = short_answer;
  if (guest.left > 0) guest.moved = world_.now();
  return true;
}

bool Strangers::write(Connection connection, Guest& guest) {
  static const std::vector<std::byte> answer(long_answer);
  if (guest.left == 0) return true;
  const auto n = host_.engine->write(connection, std::span(answer).first(guest.left));
  if (!n) return false;
  if (*n > 0) guest.moved = world_.now();
  guest.left -= static_cast<std::uint32_t>(*n);
  return guest.left == 0;
}

void Strangers::turn() {
  if (guests_.empty()) return;
  if (world_.now() >= swept_ + sweep_every) {
    swept_ = world_.now();
    for (auto& [connection, guest] : guests_) {
      if (world_.now() - guest.moved < patience_) continue;
      static_cast<void>(host_.engine->abort(connection));
      host_.wake_at = world_.now();
    }
  }
  host_.wake_at = std::min(host_.wake_at, swept_ + sweep_every);
}

void Strangers::end_all() {
  ended_ = true;
  for (const auto& [connection, guest] : guests_) {
    static_cast<void>(host_.engine->abort(connection));
  }
  host_.wake_at = world_.now();
}

}  // namespace salut::sim
