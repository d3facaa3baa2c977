// The retransmission timeout, RFC 6298: smoothed round-trip time, its variation, and backoff.
#pragma once

#include <algorithm>
#include <cstdint>

#include "salut/config.hpp"
#include "tcp/context.hpp"

namespace salut::tcp {

// RFC 6298 (2.2), (2.3); alpha = 1/8, beta = 1/4.
inline void rtt_sample(Stream& stream, std::uint32_t rtt_us) {
  const std::uint32_t rtt = std::max<std::uint32_t>(rtt_us, 1);
  if (stream.srtt == 0) {
    stream.srtt = rtt;
    stream.rttvar = rtt / 2;
    return;
  }
  const std::uint32_t error = stream.srtt > rtt ? stream.srtt - rtt : rtt - stream.srtt;
  stream.rttvar = stream.rttvar - stream.rttvar / 4 + error / 4;
  stream.srtt = std::max<std::uint32_t>(stream.srtt - stream.srtt / 8 + rtt / 8, 1);
}

// RFC 6298 (5.7): a path that lost a SYN, or took longer than the initial RTO, is given more time.
inline constexpr Duration rto_after_lost_syn = std::chrono::seconds{3};

// Before backoff. The clock's grain G is a tick, about 1 ms.
inline Duration rto_base(const Context& c, const Tcb& tcb) {
  const StackConfig& config = c.config;
  const Stream* stream = tcb.has(Flag::data_ready) ? &c.stream(tcb) : nullptr;
  if (stream == nullptr || stream->srtt == 0) {
    return tcb.has(Flag::syn_repeated) ? std::max<Duration>(config.rto_initial, rto_after_lost_syn)
                                       : config.rto_initial;
  }
  const std::uint64_t us =
      stream->srtt + std::max<std::uint64_t>(1049, 4 * std::uint64_t{stream->rttvar});
  return std::clamp<Duration>(std::chrono::microseconds(us), config.rto_min, config.rto_max);
}

// After `retries` doublings, RFC 6298 (5.5).
inline Duration rto_after(const StackConfig& config, Duration base, unsigned retries) {
  const Duration doubled = base * (std::int64_t{1} << std::min(retries, 20u));
  return std::min(doubled, std::max(config.rto_max, base));
}

// How long the first transmission lies back when the timer fires after `retries` retransmissions.
inline Duration unanswered_for(const StackConfig& config, Duration base, unsigned retries) {
  Duration sum{0};
  for (unsigned i = 0; i <= retries; ++i) sum += rto_after(config, base, i);
  return sum;
}

// What remains of `retries` when a shut window is answered: the peer is alive, so that the backoff
// may go on but R2 is a whole retransmission away (RFC 9293 §3.8.6.1).
inline std::uint8_t answered_retries(const StackConfig& config, Duration base,
                                     std::uint8_t retries) {
  while (retries > 0 && unanswered_for(config, base, retries) >= config.retry_timeout) --retries;
  return retries;
}

}  // namespace salut::tcp
