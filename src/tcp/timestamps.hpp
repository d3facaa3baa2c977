// Timestamps, RFC 7323: what our segments carry, PAWS, and TS.Recent.
//
// A segment without timestamps on a connection that agreed on them is taken as it is: RFC 7323
// §3.2 would have it dropped, but a middlebox or a peer that forgets them on the third ACK must
// not cost a connection. It has no protection against wrapped sequence numbers, nothing else.
#pragma once

#include "tcp/context.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

inline constexpr std::uint16_t timestamps_size = 12;  // with the two NOPs that align them

// TSval of a segment that leaves now.
inline std::uint32_t our_timestamp(const Context& c, const Tcb& tcb) {
  return c.clock.now_ms + tcb.ts_offset;
}

// Timestamps wrap like sequence numbers, RFC 7323 §5.2.
constexpr bool is_older_stamp(std::uint32_t a, std::uint32_t b) { return Seq{a} < Seq{b}; }

// RFC 7323 §5.3 R1: the segment is older than what was received before. After 24 days of silence
// TS.Recent may itself be half a wrap old and says nothing (§5.5).
inline constexpr std::uint32_t ts_outdated = (24ull * 86'400 * 1'000'000'000) >> 30;
inline bool ts_recent_is_outdated(const Context& c, const Tcb& tcb) {
  return c.clock.epoch - tcb.ts_recent_at >= ts_outdated;
}
inline bool paws_rejects(const Context& c, const Tcb& tcb, const wire::Segment& segment) {
  if (!tcb.has(Flag::timestamps) || (segment.options & wire::option_has_timestamps) == 0)
    return false;
  return is_older_stamp(segment.tsval, tcb.ts_recent) && !ts_recent_is_outdated(c, tcb);
}

// RFC 7323 §4.3: TS.Recent follows what covers Last.ACK.sent, so that a delayed ACK echoes the
// first segment that it acknowledges. REQUIRES: the segment is acceptable and not rejected.
inline void update_ts_recent(const Context& c, Tcb& tcb, const wire::Segment& segment) {
  if (!tcb.has(Flag::timestamps) || (segment.options & wire::option_has_timestamps) == 0) return;
  if (Seq{segment.seq} > tcb.last_ack_sent) return;
  if (is_older_stamp(segment.tsval, tcb.ts_recent) && !ts_recent_is_outdated(c, tcb)) return;
  tcb.ts_recent = segment.tsval;
  tcb.ts_recent_at = c.clock.epoch;
}

}  // namespace salut::tcp
