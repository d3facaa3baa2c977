// The other instances on a link that serve the same addresses, and which of them are alive.
//
// Several instances serve one address (a VIP: the `ranges` of their ports), and a router spreads
// connections over them by a stateless hash. When an instance comes or goes, the hash moves
// connections: their segments reach an instance that does not know them, and RFC 9293 §3.10.7.1
// would answer with a RST. With siblings the segment is forwarded instead, with other MACs, to an
// instance that may know it (tcp/forward.hpp). The bet against a table of connections that all
// instances share, or a load balancer in front that keeps one: the instances agree on nothing and
// copy nothing, and only those segments pay, one hop each.
//
// The order. All instances of a link are in one order, by address, so that a segment that nobody
// knows makes one round and is then answered as usual. An instance that gets it from the router
// forwards it to the first of the others. One that gets it from a sibling (its source MAC says so)
// forwards it to the next one after itself, never back to the sender; the last one answers. This
// works if each instance lists all the others by their addresses on that link. If not, a segment
// could circle: so each forwarder lowers its TTL to the number of siblings (tcp/forward.cpp).
//
// A sibling is alive if it was heard in the last dead_after. Each is asked once per probe_every by
// ARP or neighbour solicitation: by unicast while it is alive, else by broadcast or multicast. One
// that does not answer is skipped, so that the connections of a killed instance are reset after
// dead_after and do not wait for their timeouts.
//
// Threads: the stack's lcore. Nothing is allocated after the start. Cost: none without siblings;
// with them, only segments without a connection come here.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.hpp"
#include "salut/time.hpp"
#include "wire/headers.hpp"

namespace salut::ip {

class Siblings {
 public:
  static constexpr Duration probe_every = std::chrono::seconds{1};  // RFC 1122 §2.3.2.1: no faster
  static constexpr Duration dead_after = std::chrono::milliseconds{3'500};  // three unanswered

  // For set-up only. `ours`: our address on that link in the same family, for the order.
  void add(std::uint16_t port, const Address& address, const Address& ours);

  bool empty() const { return all_.empty(); }

  // Is this the MAC of a sibling, alive or not?
  bool has(std::uint16_t port, const Mac& station) const;

  // The MAC to forward a segment to that came in on `port` from `sender`; null: it ends here.
  const Mac* next(std::uint16_t port, bool ip6, const Mac& sender, Instant now) const;

  // Takes a sender's address of ARP or neighbour discovery: if it is a sibling's, it is alive.
  void heard(std::uint16_t port, const Address& address, const Mac& station, Instant now);

  // Calls solicit(port, address, MAC or null to ask everybody) for each, once per probe_every.
  template <typename Solicit>
  void probe(Instant now, Solicit solicit) {
    if (all_.empty() || now < probe_at_) return;
    probe_at_ = now + probe_every;
    for (const Sibling& one : all_) {
      solicit(one.port, one.address, is_alive(one, now) ? &one.station : nullptr);
    }
  }
  unsigned alive(Instant now) const;
  // How often a segment may be forwarded from here on: once for each sibling that is alive there.
  unsigned hops(std::uint16_t port, bool ip6, Instant now) const;
  // When the next probes are due; for virtual time.
  std::optional<Instant> next_probe() const {
    return all_.empty() ? std::nullopt : std::optional(probe_at_);
  }

 private:
  struct Sibling {
    Address address;
    std::uint16_t port = 0;
    bool behind_us = false;  // after us in the order
    bool known = false;      // `station` is one
    Mac station;
    Instant heard_at;
  };

  static bool is_alive(const Sibling& one, Instant now) {
    return one.known && now - one.heard_at < dead_after;
  }

  std::vector<Sibling> all_;  // in the order
  Instant probe_at_;
};

}  // namespace salut::ip
