// A hostile host: no stack, but a station that sends what harms most. Its behaviours are the
// attacks that stacks have fallen to, each at a rate that is stated, and any mixture of them.
//
// It has no clock and no device: turn() and receive() are given the time, frames leave through
// Send. So the same attacker stands in the seeded world (tests/sim) and on a wire in real time
// (bench). What it does follows from its seed and from what it receives.
//
// It has what an attacker may have: addresses of its own on the link, any address as the source of
// a frame, and, off the link, those behind the router. It knows the addresses and ports of honest
// connections, but not their sequence numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string_view>
#include <vector>

#include "frames.hpp"
#include "salut/time.hpp"

namespace salut::hostile {

// X(id, holds connections open, what it is)
#define SALUT_ATTACKS(X)                                                          \
  X(syn_on_link, false, "SYNs from invented stations of the link")                \
  X(syn_off_link, false, "SYNs from invented hosts behind the router")            \
  X(syn_of_honest, false, "SYNs in the name of honest hosts")                     \
  X(blind, false, "guesses at honest connections: RST, SYN, FIN, ACK, data")      \
  X(ack_flood, false, "ACKs that belong to nothing")                              \
  X(rst_flood, false, "RSTs that belong to nothing")                              \
  X(fin_flood, false, "FINs that belong to nothing")                              \
  X(icmp_flood, false, "echo requests of all sizes")                              \
  X(icmp_errors, false, "ICMP errors that quote honest connections")              \
  X(fragments, false, "fragments that never become whole")                        \
  X(malformed, false, "frames with a byte or their length changed")               \
  X(who_has, false, "ARP requests and solicitations from invented stations")      \
  X(slots, true, "connections that say nothing")                                  \
  X(neighbours, true, "the same, each from a station of its own")                 \
  X(sockstress, true, "requests, and then a window that stays shut")              \
  X(pipeline, true, "as many requests as go, of which no answer is read")         \
  X(one_byte_window, true, "requests, and a window of one byte")                  \
  X(one_byte_acks, true, "requests, and an acknowledgement for each byte")        \
  X(slow_read, true, "requests, and a window of 300 bytes now and then")          \
  X(islands, true, "single bytes out of order")                                   \
  X(slowloris, true, "a request that comes a byte at a time")                     \
  X(challenge, true, "segments on its own connections that want a challenge ACK") \
  X(churn, true, "connections that the server closes, over and over")

enum class Kind : std::uint8_t {
#define SALUT_ATTACK_ENUM(id, holds, words) id,
  SALUT_ATTACKS(SALUT_ATTACK_ENUM)
#undef SALUT_ATTACK_ENUM
      count,
};
inline constexpr std::size_t kind_count = static_cast<std::size_t>(Kind::count);

std::string_view name(Kind kind);  // "syn_on_link"
bool holds_connections(Kind kind);

// One behaviour: from `from` until `until`, every `every`, `burst` frames or steps.
struct Orders {
  Kind kind = Kind::syn_on_link;
  bool ip6 = false;
  Instant from;
  Instant until;
  Duration every = std::chrono::milliseconds{1};
  unsigned burst = 1;
  unsigned connections = 0;  // at once, of those that hold some
};
// What a stranger's request begins with, to a server that the tests have: a long answer; a short
// one after which the server closes. Everything else is read and answered with nothing.
inline constexpr std::byte asks_for_much{'b'}, asks_for_little{'c'};

// What the attacker knows.
struct Victim {
  Mac mac;
  IpAddress ip4, ip6;
  std::uint16_t port = 80;
  const IpAddress& address(bool of_ip6) const { return of_ip6 ? ip6 : ip4; }
};
// An honest connection as its victim sees it.
struct Flow {
  Mac mac;       // the victim's
  Mac peer_mac;  // what the peer's frames come from
  Side peer;
  Side victim;
};
struct Site {
  Mac mac;     // its own
  Mac router;  // what comes from off the link comes from there
  // Its own stations, and those that it invents: each has 16 bits below.
  IpAddress near4, near6;
  IpAddress far4, far6;
  std::vector<Victim> victims;
  std::vector<Flow> flows;  // may grow
};

using Random = std::mt19937_64;
using Send = std::function<void(std::span<std::byte>)>;

class Attack;

class Attacker {
 public:
  // `site` is read all the while.
  Attacker(const Site& site, const std::vector<Orders>& orders, std::uint64_t seed, Send send);
  ~Attacker();
  Attacker(const Attacker&) = delete;

  void receive(std::span<const std::byte> frame, Instant now);
  void turn(Instant now);  // what is due
  Instant next() const;    // when turn() has something to do; Instant::max() never
  std::uint64_t sent() const { return sent_; }

 private:
  const Site& site_;
  Send send_;
  Writer writer_;
  std::uint64_t sent_ = 0;
  std::vector<std::unique_ptr<Attack>> attacks_;
};

// Passes on what is sent to it, and answers for its own addresses.
class Router {
 public:
  struct Hop {
    Prefix to;
    Mac mac;
  };
  Router(const Mac& mac, std::vector<IpAddress> own, Send send)
      : mac_(mac), own_(std::move(own)), send_(std::move(send)) {}
  // Whom it leads to; the first that fits.
  void add(const Prefix& to, const Mac& mac) { hops_.push_back({to, mac}); }
  void receive(std::span<std::byte> frame);

 private:
  Mac mac_;
  std::vector<IpAddress> own_;
  Send send_;
  std::vector<Hop> hops_;
  Writer writer_;
};

}  // namespace salut::hostile
