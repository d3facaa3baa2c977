#include "tcp/rack.hpp"

#include <algorithm>

#include "tcp/rtt.hpp"

namespace salut::tcp {

void rack_update(Recovery& r, const Delivery& delivery) {
  if (delivery.reordered) r.reordering_seen = true;
  if (!delivery.recent) return;
  r.rack_rtt = delivery.rtt_recent;
  if (r.rack_valid && !sent_after(delivery.sent_at, delivery.end, r.rack_sent_at, r.rack_end)) {
    return;
  }
  r.rack_valid = true;
  r.rack_sent_at = delivery.sent_at;
  r.rack_end = delivery.end;
}

std::uint32_t rack_window(const Recovery& r, const Stream& stream, std::uint32_t mss) {
  if (!r.reordering_seen) {
    if (r.mode == Mode::recovery || r.mode == Mode::timed_out) return 0;
    if (r.board.sacked() >= dup_thresh * mss) return 0;
  }
  const std::uint64_t window = std::uint64_t{r.reo_steps} * stream.min_rtt / 4;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(window, stream.srtt));
}

std::uint32_t rack_detect(Context& c, Recovery& r, const Stream& stream, std::uint32_t mss,
                          std::uint32_t& wait) {
  wait = 0;
  if (!r.rack_valid) return 0;
  const std::uint32_t now = now_us(c);
  const std::uint32_t patience = r.rack_rtt + rack_window(r, stream, mss);
  std::uint32_t lost = 0;
  while (r.board.oldest() != no_range) {
    const std::uint32_t index = r.board.oldest();
    const Range& range = c.ranges[index];
    if (!sent_after(r.rack_sent_at, r.rack_end, range.sent_at, range.end)) break;
    if (now - range.sent_at < patience) {
      // Whatever else may turn out lost is overdue by then, too: it was sent no later than what
      // was delivered.
      wait = std::max(r.rack_sent_at + patience - now, 1u);
      break;
    }
    lost += range.size();
    r.board.lose(c.ranges, index);
  }
  return lost;
}

void rack_on_dsack(Recovery& r, Seq snd_una, Seq snd_nxt) {
  if (r.dsack_round_set && snd_una < r.dsack_round) return;
  r.dsack_round_set = true;
  r.dsack_round = snd_nxt;
  r.reo_steps = static_cast<std::uint8_t>(std::min(r.reo_steps + 1, 255));
  r.reo_persist = 16;
}

void rack_on_recovery_end(Recovery& r) {
  if (r.reo_persist > 0 && --r.reo_persist == 0) r.reo_steps = 1;
}

bool tail_on_ack(Recovery& r, Seq ack, bool plain_duplicate, bool dsack) {
  if (!r.tail_out) return false;
  r.tail_dsack |= dsack;
  if (ack < r.tail_end) return false;
  if (!r.tail_again || r.tail_dsack) {
    r.tail_out = false;
    return false;
  }
  if (ack > r.tail_end) {
    r.tail_out = false;
    return true;
  }
  // The probe's own ACK, a duplicate without SACK, says that both copies arrived.
  if (plain_duplicate) r.tail_out = false;
  return false;
}

}  // namespace salut::tcp
