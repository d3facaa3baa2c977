#include "ip/siblings.hpp"

#include <algorithm>

#include "ip/routes.hpp"

namespace salut::ip {

void Siblings::add(std::uint16_t port, const Address& address, const Address& ours) {
  Sibling one;
  one.address = address;
  one.port = port;
  one.behind_us = number_of(address) > number_of(ours);
  const auto place = std::find_if(all_.begin(), all_.end(), [&](const Sibling& other) {
    return number_of(other.address) > number_of(address);
  });
  all_.insert(place, one);
}

bool Siblings::has(std::uint16_t port, const Mac& station) const {
  return std::any_of(all_.begin(), all_.end(), [&](const Sibling& one) {
    return one.known && one.port == port && one.station == station;
  });
}

const Mac* Siblings::next(std::uint16_t port, bool ip6, const Mac& sender, Instant now) const {
  const bool from_sibling = has(port, sender);
  for (const Sibling& one : all_) {
    if (one.port != port || one.address.is_v4() == ip6 || !is_alive(one, now)) continue;
    if (one.station == sender || (from_sibling && !one.behind_us)) continue;
    return &one.station;
  }
  return nullptr;
}

unsigned Siblings::alive(Instant now) const {
  return static_cast<unsigned>(std::count_if(
      all_.begin(), all_.end(), [&](const Sibling& one) { return is_alive(one, now); }));
}

unsigned Siblings::hops(std::uint16_t port, bool ip6, Instant now) const {
  return static_cast<unsigned>(std::count_if(all_.begin(), all_.end(), [&](const Sibling& one) {
    return one.port == port && one.address.is_v4() != ip6 && is_alive(one, now);
  }));
}

void Siblings::heard(std::uint16_t port, const Address& address, const Mac& station, Instant now) {
  if (!station.is_station()) return;
  for (Sibling& one : all_) {
    if (one.port != port || one.address != address) continue;
    one.known = true;
    one.station = station;
    one.heard_at = now;
  }
}

}  // namespace salut::ip
