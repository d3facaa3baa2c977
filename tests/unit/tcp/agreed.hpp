// Connections whose two ends agree on options: which of them, in one word per side.
#pragma once

#include "harness.hpp"

namespace salut::test {

struct Options {
  bool scaling = false;
  bool stamps = false;
  bool sack = false;
  bool ecn = false;

  static Options from_bits(unsigned bits) {
    return {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
  }
  friend Options operator&(const Options& a, const Options& b) {
    return {a.scaling && b.scaling, a.stamps && b.stamps, a.sack && b.sack, a.ecn && b.ecn};
  }
  friend bool operator==(const Options&, const Options&) = default;
};

inline std::string describe(const Options& o) {
  return std::string(o.scaling ? "scaling " : "") + (o.stamps ? "timestamps " : "") +
         (o.sack ? "sack " : "") + (o.ecn ? "ecn" : "");
}

// small_config() with these and no others.
inline StackConfig only(const Options& o) {
  StackConfig config = small_config();
  config.window_scale = o.scaling;
  config.timestamps = o.stamps;
  config.sack = o.sack;
  config.ecn = o.ecn;
  return config;
}

// The peer's clock when it opens, and the shift count that it offers.
inline constexpr std::uint32_t peer_clock = 1000;
inline constexpr unsigned peer_scale = 7;

// The peer's SYN ("S") or SYN,ACK ("SA") with these options.
inline In syn_with(const Options& o, bool answer = false) {
  In in{.flags = answer ? (o.ecn ? "SAE" : "SA") : (o.ecn ? "SEC" : "S"), .mss = 1460};
  if (o.scaling) in.wscale = peer_scale;
  in.sack_permitted = o.sack;
  if (o.stamps) in.ts = Stamps{.val = peer_clock};
  return in;
}

// What a SYN or SYN,ACK of ours has.
inline Options options_of(const Seen& seen) {
  const wire::Segment& s = seen.segment;
  const unsigned ecn = s.flags & (wire::ece | wire::cwr);
  const unsigned wanted =
      (s.flags & wire::ack) != 0 ? unsigned{wire::ece} : unsigned{wire::ece | wire::cwr};
  EXPECT_TRUE(ecn == 0 || ecn == wanted) << "ECN bits of a SYN: " << ecn;
  return {(s.options & wire::option_has_window_scale) != 0,
          (s.options & wire::option_has_timestamps) != 0,
          (s.options & wire::option_has_sack_permitted) != 0, ecn != 0};
}

// ESTABLISHED with all that both `h` and `peer` want; nothing is left over.
inline void agree(Harness& h, const Options& peer, Open how = Open::passive) {
  const bool stamps = h.config().timestamps && peer.stamps;
  if (how == Open::active) {
    h.resolve_peer();
    h.syn_sent();
    h.send(syn_with(peer, true));
    h.take();
    h.expect_event(Event::connected);
  } else {
    h.listen();
    h.send(syn_with(peer));
    h.take();
    h.send({.ts = stamps ? std::optional(Stamps{.val = peer_clock}) : std::nullopt});
    h.expect_event(Event::accepted);
  }
  h.expect_nothing();
  ASSERT_EQ(h.state(), State::established);
}

}  // namespace salut::test
