// What the two ends agree on in the handshake, and what each segment then carries: window scale,
// timestamps, SACK, ECN (RFC 7323, 2018, 3168).
//
// An active open offers what the configuration allows, with the connection's flags set; the answer
// clears what it does not take up. A passive one takes the intersection at once. From then on the
// flags are the agreement.
//
// A segment without timestamps on a connection that agreed on them is taken as it is: RFC 7323
// §3.2 would have it dropped, but a middlebox or a peer that forgets them on the third ACK must
// not cost a connection. It has no protection against wrapped sequence numbers, nothing else.
#pragma once

#include "tcp/context.hpp"
#include "wire/options.hpp"

namespace salut::tcp {

inline constexpr std::uint8_t max_window_scale = 14;  // RFC 7323 §2.3
inline constexpr std::uint16_t timestamps_size = 12;  // with the two NOPs that align them

// Active open: everything that is allowed is offered.
void offer_options(const Context& c, Tcb& tcb);

// The peer's SYN or SYN,ACK: flags, scales, TS.Recent; mss becomes what a segment of ours carries.
void agree_options(Context& c, Tcb& tcb, const wire::Segment& syn);

// Of a SYN or SYN,ACK of ours. `mss`: what we can receive.
std::size_t syn_options(Context& c, const Tcb& tcb, std::uint16_t mss, wire::OptionBytes& to);

// Of every other segment: timestamps, and while there are gaps as many SACK blocks as the segment
// has room for beside `payload` bytes (RFC 6691: options count against the MSS).
std::size_t segment_options(Context& c, Tcb& tcb, wire::OptionBytes& to, std::uint32_t payload = 0);

// Of an RST: timestamps (RFC 7323 §3.2: it should have them).
std::size_t reset_options(const Context& c, const Tcb& tcb, wire::OptionBytes& to);

// TSval of a segment that leaves now.
inline std::uint32_t our_timestamp(const Context& c, const Tcb& tcb) {
  return c.now_ms + tcb.ts_offset;
}

// RFC 7323 §5.3 R1: the segment is older than what was received before. After 24 days of silence
// TS.Recent may itself be half a wrap old and says nothing (§5.5).
inline constexpr std::uint32_t ts_outdated_ticks = 24u * 86'400 * 954;  // a tick is 1.05 ms
inline bool paws_rejects(const Context& c, const Tcb& tcb, const wire::Segment& segment) {
  if (!tcb.has(Flag::timestamps) || (segment.options & wire::option_has_timestamps) == 0)
    return false;
  return static_cast<std::int32_t>(segment.tsval - tcb.ts_recent) < 0 &&
         c.tick.value - tcb.ts_recent_at < ts_outdated_ticks;
}

// RFC 7323 §4.3: TS.Recent follows what covers Last.ACK.sent, so that a delayed ACK echoes the
// first segment that it acknowledges. REQUIRES: the segment is acceptable and not rejected.
inline void update_ts_recent(const Context& c, Tcb& tcb, const wire::Segment& segment) {
  if (!tcb.has(Flag::timestamps) || (segment.options & wire::option_has_timestamps) == 0) return;
  if (Seq{segment.seq} > tcb.last_ack_sent) return;
  if (static_cast<std::int32_t>(segment.tsval - tcb.ts_recent) < 0 &&
      c.tick.value - tcb.ts_recent_at < ts_outdated_ticks) {
    return;
  }
  tcb.ts_recent = segment.tsval;
  tcb.ts_recent_at = c.tick.value;
}

}  // namespace salut::tcp
