#include "attacker.hpp"

#include <algorithm>
#include <cstring>

#include "attack.hpp"

namespace salut::hostile {

std::string_view name(Kind kind) {
  static constexpr std::string_view names[] = {
#define SALUT_ATTACK_NAME(id, holds, words) #id,
      SALUT_ATTACKS(SALUT_ATTACK_NAME)
#undef SALUT_ATTACK_NAME
  };
  return names[static_cast<std::size_t>(kind)];
}

bool holds_connections(Kind kind) {
  static constexpr bool all[] = {
#define SALUT_ATTACK_HOLDS(id, holds, words) holds,
      SALUT_ATTACKS(SALUT_ATTACK_HOLDS)
#undef SALUT_ATTACK_HOLDS
  };
  return all[static_cast<std::size_t>(kind)];
}

Attacker::Attacker(const Site& site, const std::vector<Orders>& orders, std::uint64_t seed,
                   Send send)
    : site_(site), send_([this, to = std::move(send)](std::span<std::byte> frame) {
        ++sent_;
        to(frame);
      }) {
  for (const Orders& each : orders) {
    const auto make = holds_connections(each.kind) ? make_hold : make_flood;
    const std::size_t n = attacks_.size();
    const auto port = static_cast<std::uint16_t>(2'000 + n % 5 * Attack::ports_each);
    attacks_.push_back(make({site_, writer_, send_, seed + n, port}, each));
  }
}

Attacker::~Attacker() = default;

void Attacker::receive(std::span<const std::byte> frame, Instant now) {
  const Seen seen = read(frame);
  if (seen.kind == Seen::Kind::who_has) {
    // It is there as a station is, for all that it invents.
    const IpAddress& base = seen.target.is_v4() ? site_.near4 : site_.near6;
    if (seen.target.high() != base.high() || (seen.target.low() ^ base.low()) >> 16 != 0) return;
    send_(writer_.is_at({site_.mac, seen.mac}, seen.target, seen.from.address));
    return;
  }
  if (seen.kind != Seen::Kind::tcp) return;
  for (const auto& attack : attacks_) {
    if (now <= attack->orders.until && attack->take(seen, now)) return;
  }
}

void Attacker::turn(Instant now) {
  for (const auto& attack : attacks_) {
    for (; attack->due <= now && attack->due < attack->orders.until;
         attack->due += attack->orders.every) {
      for (unsigned i = 0; i < attack->orders.burst; ++i) attack->act(now);
    }
  }
}

Instant Attacker::next() const {
  Instant next = Instant::max();
  for (const auto& attack : attacks_) {
    if (attack->due < attack->orders.until) next = std::min(next, attack->due);
  }
  return next;
}

void Router::receive(std::span<std::byte> frame) {
  const Seen seen = read(frame);
  if (seen.kind == Seen::Kind::who_has) {
    if (std::find(own_.begin(), own_.end(), seen.target) == own_.end()) return;
    return send_(writer_.is_at({mac_, seen.mac}, seen.target, seen.from.address));
  }
  if (std::memcmp(frame.data(), mac_.bytes.data(), 6) != 0) return;
  const IpAddress to = destination(frame);
  for (const Hop& hop : hops_) {
    if (!hop.to.contains(to)) continue;
    std::memcpy(frame.data(), hop.mac.bytes.data(), 6);
    std::memcpy(frame.data() + 6, mac_.bytes.data(), 6);
    return send_(frame);
  }
}

}  // namespace salut::hostile
