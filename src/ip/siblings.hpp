// The other instances on a link that serve the same addresses, and who of them is alive.
//
// Several instances stand behind one address (a VIP: the `ranges` of their ports), and a router
// spreads connections over them by a hash that keeps nothing. When an instance comes or goes, the
// hash moves connections: their segments reach an instance that never heard of them, whose answer,
// by RFC 9293 §3.10.7.1, would be RST. With siblings the segment is handed on instead, to the one
// that may know it, by a change of MACs on the link (tcp/forward.hpp). The bet against a table of
// connections that all instances share (or a load balancer in front that keeps one): nothing is
// agreed upon, nothing is copied, and what it costs is one hop for those segments alone.
//
// The order. All instances of a link stand in one order, by address, so that a segment nobody knows
// makes one round and then is answered as usual. Whoever has it from the router hands it to the
// first of the others; whoever has it from a sibling (its source MAC says so) to the next one
// behind itself, never back to the sender, and the last one answers. It works if each instance
// lists all the others by the address that they have on that link; if not, TTL ends what goes
// round, which whoever hands a segment on lowers to the number of his siblings (tcp/forward.cpp).
//
// Alive is who was heard in the last dead_after: each is asked by ARP or neighbour solicitation
// once per probe_every, at the station that we know or, if it does not answer, of everybody. Who
// does not answer is passed over, so that the connections of an instance that was killed are reset
// after dead_after and do not wait for their timeouts.
//
// Threads: the stack's lcore. Nothing is allocated after the start. Cost: none where there are no
// siblings; with them, only segments without a connection come here.
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

  // Set-up only. `ours`: our address on that link in the same family, for the order.
  void add(std::uint16_t port, const Address& address, const Address& ours);

  bool empty() const { return all_.empty(); }

  // Is this the station of a sibling, alive or not?
  bool has(std::uint16_t port, const Mac& station) const;

  // Whom a segment of this family goes to that came in on `port` from `sender`; null: to nobody.
  const Mac* next(std::uint16_t port, bool ip6, const Mac& sender, Instant now) const;

  // A sender's address in ARP or neighbour discovery.
  void heard(std::uint16_t port, const Address& address, const Mac& station, Instant now);

  // Calls solicit(port, address, station or null for everybody) for each, once per probe_every.
  template <typename Solicit>
  void probe(Instant now, Solicit solicit) {
    if (all_.empty() || now < probe_at_) return;
    probe_at_ = now + probe_every;
    for (const Sibling& one : all_) {
      solicit(one.port, one.address, is_alive(one, now) ? &one.station : nullptr);
    }
  }
  unsigned alive(Instant now) const;
  // How often a segment may be handed on from here: to each that is alive there.
  unsigned hops(std::uint16_t port, bool ip6, Instant now) const;
  // When the next probes are due; for virtual time.
  std::optional<Instant> next_probe() const {
    return all_.empty() ? std::nullopt : std::optional(probe_at_);
  }

 private:
  struct Sibling {
    Address address;
    std::uint16_t port = 0;
    bool behind_us = false;  // in the order
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
