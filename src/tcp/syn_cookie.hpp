// SYN cookies (RFC 4987 §3.6): the answer to a SYN for which there is no room, that keeps nothing.
//
// What the connection will need is put into our ISS and, where the peer offered timestamps, into
// our TSval, and comes back with the ACK of our SYN:
//
//   ISS:   | 3 bits: MSS of a list | 29 bits: keyed hash |
//   TSval: | our clock, 26 bits | ECN | SACK | 4 bits: the peer's window scale, 15 for none |
//
// The hash is SipHash-2-4 over the 4-tuple, the peer's ISS, the MSS and when it was made, in units
// of 69 s, with a key of its own; that of this unit and of the one before are tried. A cookie is
// good for one to two units. One in 2^28 guesses opens a connection, to whoever can see none of our
// answers; the flood that it would take is counted. It must be that rare for the honest, too: where
// the first text is lost on its way, what follows it is such a guess, and if it were taken the
// stream would begin in the middle. Cookies are looked for only while some that we sent may still
// be on their way.
//
// The bet against keeping a smaller record per SYN: a flood costs no memory at all, and evicts
// nothing. What is lost beside a real handshake: our SYN,ACK is not repeated, the MSS is rounded
// down to the list, and without timestamps there is no window scale and no SACK.
//
// Thread safety: one stack, one lcore. Cost: one SipHash per SYN, one or two per ACK looked at.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/key.hpp"
#include "base/sequence.hpp"
#include "salut/time.hpp"
#include "tcp/isn.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

// What a peer offered, as far as a cookie remembers it.
struct CookieContent {
  std::uint16_t mss = 536;
  bool timestamps = false;  // the rest only with these
  bool scaling = false;
  std::uint8_t wscale = 0;
  bool sack = false;
  bool ecn = false;
};

class SynCookies {
 public:
  explicit constexpr SynCookies(std::uint64_t seed)
      : hash_(seed * 0x9e3779b97f4a7c15 + 3, seed ^ 0xa0761d6478bd642f) {}

  // The ISS to answer a SYN with. `irs`: the SYN's sequence number.
  Seq make(const Key& key, Seq irs, std::uint16_t mss, Instant now);
  // Our TSval, at most 64 ms behind `clock`, with what else was offered.
  static std::uint32_t stamp(std::uint32_t clock, const CookieContent& content);

  // What the ACK of a cookie says; empty if it is none of ours, or too old.
  std::optional<CookieContent> check(const wire::Segment& ack, Instant now) const;

 private:
  static constexpr std::array<std::uint16_t, 8> mss_list = {64,   536,  1220, 1300,
                                                            1360, 1440, 1460, 8940};
  static std::uint32_t unit(Instant now) {
    return static_cast<std::uint32_t>(now.time_since_epoch().count() >> 36);  // 68.7 s
  }
  std::uint32_t sum(const Key& key, Seq irs, std::uint32_t when, std::uint32_t mss) const;

  SipHash hash_;
  std::uint32_t last_sent_ = 0;
  bool any_sent_ = false;
};

}  // namespace salut::tcp
