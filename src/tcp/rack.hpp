// RACK-TLP, RFC 8985: a range is lost if something that was sent later arrived and this one is
// more than a reordering window overdue; and if nothing at all arrives, a probe after two round
// trips asks, long before the RTO would.
//
// Both need SACK, and neither costs a short connection anything: a flight of one plain range that
// is acknowledged as a whole never comes here.
#pragma once

#include "tcp/context.hpp"
#include "tcp/recovery.hpp"

namespace salut::tcp {

inline constexpr std::uint32_t dup_thresh = 3;  // RFC 6675, without SACK RFC 5681

// §6.2 steps 1 to 3: what the ACK delivered moves RACK's marks.
void rack_update(Recovery& r, const Delivery& delivery);
// Step 4: microseconds.
std::uint32_t rack_window(const Recovery& r, const Stream& stream, std::uint32_t mss);
// Step 5: marks what is lost, in time order, and returns how many bytes; `wait`: microseconds until
// more may be, 0 if nothing can be. Amortised over the transmissions.
std::uint32_t rack_detect(Context& c, Recovery& r, const Stream& stream, std::uint32_t mss,
                          std::uint32_t& wait);
// A DSACK came, or a recovery ended: the window adapts (§6.2 step 4).
void rack_on_dsack(Recovery& r, Seq snd_una, Seq snd_nxt);
void rack_on_recovery_end(Recovery& r);
// §7.4: what an ACK says of the probe in flight; true if it mended a loss that nothing else saw.
bool tail_on_ack(Recovery& r, Seq ack, bool plain_duplicate, bool dsack);

}  // namespace salut::tcp
