#include "tcp/options.hpp"

#include <algorithm>
#include <array>

#include "tcp/congestion/congestion.hpp"
#include "tcp/mss.hpp"
#include "tcp/reassembly.hpp"
#include "tcp/timestamps.hpp"

namespace salut::tcp {

void offer_options(const Context& c, Tcb& t) {
  t.set((c.config.window_scale ? unsigned{Flag::scaling} : 0u) |
        (c.config.timestamps ? unsigned{Flag::timestamps} : 0u) |
        (c.config.sack ? unsigned{Flag::sack} : 0u) | (c.config.ecn ? unsigned{Flag::ecn} : 0u));
}

void agree_options(Context& c, Tcb& t, const wire::Segment& syn) {
  const auto both = [&](Flag flag, unsigned bit) {
    if ((syn.options & bit) == 0) t.clear(flag);
  };
  both(Flag::scaling, wire::option_has_window_scale);
  both(Flag::timestamps, wire::option_has_timestamps);
  both(Flag::sack, wire::option_has_sack_permitted);
  // RFC 3168 §6.1.1: a SYN sets both bits, the answer to it ECE alone.
  const unsigned ecn = syn.flags & (wire::ece | wire::cwr);
  const bool answer = (syn.flags & wire::ack) != 0;
  if (ecn != (answer ? unsigned{wire::ece} : unsigned{wire::ece | wire::cwr})) t.clear(Flag::ecn);
  if (t.has(Flag::scaling)) {
    t.set_scales(c.rcv_scale, std::min(syn.wscale, max_window_scale));
  }
  t.mss = peer_mss(t.mss, syn.mss, t.has(Flag::ip6));
  if (t.has(Flag::timestamps)) {
    t.mss = static_cast<std::uint16_t>(t.mss - timestamps_size);
    t.ts_recent = syn.tsval;
    t.ts_recent_at = c.clock.epoch;
    t.last_ack_sent = Seq{syn.seq} + 1;
  }
  // A Stream that was there before counted its first cwnd in segments of ours.
  if (t.has(Flag::data_ready)) {
    c.stream(t).cwnd = initial_cwnd(c.config.initial_window, t.mss);
  }
}

std::size_t syn_options(Context& c, const Tcb& t, std::uint16_t mss, wire::OptionBytes& to) {
  const bool echo = t.state != State::syn_sent;
  return wire::emit_options(to, {.mss = mss,
                                 .sack_permitted = t.has(Flag::sack),
                                 .window_scale = t.has(Flag::scaling),
                                 .wscale = c.rcv_scale,
                                 .timestamps = t.has(Flag::timestamps),
                                 .tsval = our_timestamp(c, t),
                                 .tsecr = echo ? t.ts_recent : 0});
}

std::size_t ack_options(Context& c, Tcb& t, wire::OptionBytes& to) {
  if (!t.has(Flag::sack)) {
    if (!t.has(Flag::timestamps)) return 0;
    return wire::emit_timestamps(to, our_timestamp(c, t), t.ts_recent);
  }
  SackEdges edges;
  const unsigned blocks = sack_blocks(c, t, t.has(Flag::timestamps) ? 3 : 4, edges);
  return wire::emit_options(to, {.timestamps = t.has(Flag::timestamps),
                                 .tsval = our_timestamp(c, t),
                                 .tsecr = t.ts_recent,
                                 .sack = {edges.data(), std::size_t{2} * blocks}});
}

}  // namespace salut::tcp
