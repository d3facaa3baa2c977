#include "ip/routes.hpp"

namespace salut::ip {

void Routes::add(const Prefix& prefix, std::uint16_t port, const IpAddress& gateway) {
  const auto hop = static_cast<std::uint32_t>(hops_.size());
  hops_.push_back(Hop{Address::of(gateway), port});
  if (prefix.address.is_v4()) {
    v4_.add(prefix.first().v4(), prefix.last().v4(), prefix.length, hop);
  } else {
    v6_.add(number_of(prefix.first()), number_of(prefix.last()), prefix.length, hop);
  }
}

}  // namespace salut::ip
