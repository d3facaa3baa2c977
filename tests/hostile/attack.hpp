// One behaviour of an attacker, and what all of them have.
#pragma once

#include <array>

#include "attacker.hpp"

namespace salut::hostile {

class Attack {
 public:
  struct Means {
    const Site& site;
    Writer& writer;
    const Send& send;
    std::uint64_t seed;
    std::uint16_t first_port;  // of ports_each, which are this behaviour's alone
  };
  static constexpr std::uint16_t ports_each = 12'000;

  Attack(const Means& means, const Orders& what)
      : site(means.site),
        orders(what),
        due(what.from),
        random(means.seed),
        writer(means.writer),
        send(means.send),
        first_port(means.first_port) {}
  virtual ~Attack() = default;
  Attack(const Attack&) = delete;

  // A frame or a step, one of a burst.
  virtual void act(Instant now) = 0;
  // Is the segment this behaviour's?
  virtual bool take(const Seen& seen, Instant now) {
    static_cast<void>(seen), static_cast<void>(now);
    return false;
  }

  const Site& site;
  const Orders orders;
  Instant due;

 protected:
  std::uint32_t below(std::uint64_t n) { return static_cast<std::uint32_t>(random() % n); }
  std::uint32_t any32() { return static_cast<std::uint32_t>(random()); }
  bool one_in(unsigned n) { return below(n) == 0; }
  const Victim& victim() { return site.victims[below(site.victims.size())]; }
  IpAddress near(std::uint32_t n) const {
    return (orders.ip6 ? site.near6 : site.near4).plus(1 + n % 65'000);
  }
  IpAddress far(std::uint32_t n) const {
    return (orders.ip6 ? site.far6 : site.far4).plus(1 + n % 65'000);
  }
  std::uint16_t any_port() { return static_cast<std::uint16_t>(1'024 + below(64'000)); }
  // Bytes that mean nothing.
  std::span<const std::byte> filler(std::size_t size) const {
    static constexpr std::array<std::byte, 1460> bytes = {};
    return std::span(bytes).first(size);
  }

  Random random;
  Writer& writer;
  const Send& send;
  const std::uint16_t first_port;
};

std::unique_ptr<Attack> make_flood(const Attack::Means& means, const Orders& orders);
std::unique_ptr<Attack> make_hold(const Attack::Means& means, const Orders& orders);

}  // namespace salut::hostile
