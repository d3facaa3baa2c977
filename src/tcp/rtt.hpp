// Samples of the round-trip time, and what is learned from them (RFC 6298 §2). The RTO that follows
// is in timers.hpp.
//
// One segment at a time is timed (Stream::mark), never one that was sent again (Karn). Where
// timestamps are agreed, TSecr measures even those (RFC 7323 §4.1) and is used when the timed
// segment cannot answer.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/context.hpp"
#include "tcp/timestamps.hpp"

namespace salut::tcp {

// The sender's clock: microseconds, 32 bits, compared modulo 2^32. Never 0, which says "none": that
// one microsecond passes for the next.
inline std::uint32_t now_us(const Context& c) {
  const auto ns = static_cast<std::uint64_t>(c.clock.now.time_since_epoch().count());
  return std::max(static_cast<std::uint32_t>(ns / 1'000), 1u);
}

// RFC 6298 (2.2), (2.3); alpha = 1/8, beta = 1/4.
inline void rtt_sample(Stream& stream, std::uint32_t rtt_us) {
  const std::uint32_t rtt = std::max<std::uint32_t>(rtt_us, 1);
  stream.backoff = 0;
  if (stream.min_rtt == 0 || rtt < stream.min_rtt) stream.min_rtt = rtt;
  if (stream.srtt == 0) {
    stream.srtt = rtt;
    stream.rttvar = rtt / 2;
    return;
  }
  const std::uint32_t error = stream.srtt > rtt ? stream.srtt - rtt : rtt - stream.srtt;
  stream.rttvar = stream.rttvar - stream.rttvar / 4 + error / 4;
  stream.srtt = std::max<std::uint32_t>(stream.srtt - stream.srtt / 8 + rtt / 8, 1);
}

// RFC 7323 §4.1, REQUIRES: Flag::timestamps. An echo from the future, or of a minute ago and more,
// is a lie or an error and no sample.
inline bool timestamp_rtt(const Context& c, const Tcb& tcb, const wire::Segment& segment,
                          std::uint32_t& rtt_us) {
  if ((segment.options & wire::option_has_timestamps) == 0) return false;
  const std::uint32_t ms = our_timestamp(c, tcb) - segment.tsecr;
  if (ms > 60'000) return false;
  rtt_us = std::max(ms, 1u) * 1'000;
  return true;
}

}  // namespace salut::tcp
