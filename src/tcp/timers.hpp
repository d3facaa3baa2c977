// The timers of a connection: how they are set, started again and cleared, and how long the RTO is
// (RFC 6298). What happens when one fires is in timeouts.hpp.
//
// A TCB has one deadline, Tcb::timer_at, and the state says what it is for: retransmission while
// something is in flight, persist while a shut window holds bytes back, the limit of FIN_WAIT_2,
// 2MSL. What only a connection with data waits for has deadlines of its own in the Stream. All are
// ticks, 0 for none; the wheel has one entry per connection, which fires at the earliest deadline
// or before.
//
// The backoff outlives the retransmission that it was for, until a sample (RFC 6298 (5.5), Karn's
// second half).
#pragma once

#include <algorithm>
#include <cstdint>

#include "salut/stack_config.hpp"
#include "tcp/context.hpp"

namespace salut::tcp {

// RFC 8985 §7.2: the delayed ACK that a flight of one segment may have to wait for.
inline constexpr std::uint32_t tail_ack_delay_us = 200'000;

// Sets one of the connection's deadlines: in `after`, rounded up to a tick.
inline void set_deadline(Context& c, std::uint32_t index, std::uint32_t& deadline, Duration after) {
  const Tick at = tick_after(c.clock.now, after);
  deadline = at.value == 0 ? 1 : at.value;  // 0 means none
  c.wheel.arm(index, c.tcbs[index].wheel_at, Tick{deadline});
}
inline void set_timer(Context& c, std::uint32_t index, Duration after) {
  set_deadline(c, index, c.tcbs[index].timer_at, after);
}
inline void clear_timer(Tcb& tcb) { tcb.timer_at = 0; }

// RFC 6298 (5.7): a path that lost a SYN, or took longer than the initial RTO, is given more time
// once the SYN is acknowledged.
inline constexpr Duration rto_after_lost_syn = std::chrono::seconds{3};

// Before backoff. The clock's grain G is a tick, about 1 ms.
inline Duration rto_base(const Context& c, const Tcb& tcb) {
  const StackConfig& config = c.config;
  std::uint32_t srtt = 0;
  std::uint32_t rttvar = 0;
  if (tcb.has(Flag::data_ready)) {
    srtt = c.stream(tcb).srtt;
    rttvar = c.stream(tcb).rttvar;
  } else if (!tcb.has(Flag::syn_unacked)) {
    srtt = tcb.handshake_rtt;
    rttvar = srtt / 2;
  }
  if (srtt == 0) {
    constexpr unsigned mask = Flag::syn_repeated | Flag::syn_unacked;
    const bool repeated = (tcb.flags & mask) == Flag::syn_repeated;
    return repeated ? std::max<Duration>(config.rto_initial, rto_after_lost_syn)
                    : config.rto_initial;
  }
  const std::uint64_t us = srtt + std::max<std::uint64_t>(1049, 4 * std::uint64_t{rttvar});
  return std::clamp<Duration>(std::chrono::microseconds(us), config.rto_min, config.rto_max);
}

// After `doublings`, RFC 6298 (5.5).
inline Duration rto_after(const StackConfig& config, Duration base, unsigned doublings) {
  const Duration doubled = base * (std::int64_t{1} << std::min(doublings, 20u));
  return std::min(doubled, std::max(config.rto_max, base));
}

// A FIN that stands alone has no probe of the tail before its RTO: its first retransmission is that
// probe, and does not count (RFC 8985 §7).
inline unsigned backoff_of(const Context& c, const Tcb& tcb) {
  if (tcb.has(Flag::data_ready)) return c.stream(tcb).backoff;
  const bool probed = tcb.has(Flag::sack) && !tcb.has(Flag::syn_unacked) && tcb.retries > 0;
  return tcb.retries - (probed ? 1u : 0u);
}
// The RTO of now.
inline Duration rto(const Context& c, const Tcb& tcb) {
  return rto_after(c.config, rto_base(c, tcb), backoff_of(c, tcb));
}

// How long the first transmission lies back when it was followed by Tcb::retries others, each after
// its RTO, and the last was just now.
inline Duration unanswered_for(const Context& c, const Tcb& tcb) {
  const Duration base = rto_base(c, tcb);
  const unsigned backoff = backoff_of(c, tcb);
  Duration sum{0};
  for (unsigned i = 1; i <= tcb.retries; ++i) {
    sum += rto_after(c.config, base, backoff > i ? backoff - i : 0);
  }
  return sum;
}

// R2 of RFC 1122 §4.2.3.5: how long nothing need be answered before the connection is given up.
// A connection's own user timeout (RFC 5482) stands above the stack's.
inline Duration retry_limit(const Context& c, const Tcb& tcb) {
  const std::uint32_t own = tcb.has(Flag::data_ready) ? c.stream(tcb).user_timeout_ms : 0;
  if (own != 0) return std::chrono::milliseconds{own};
  return tcb.has(Flag::syn_unacked) ? c.config.syn_timeout : c.config.retry_timeout;
}

// Does the timer probe a shut window? Such a peer is given up only if it does not answer.
inline bool probes_window(const Tcb& tcb) {
  return tcb.has(Flag::data_ready) && !tcb.has(Flag::syn_unacked) && tcb.snd_wnd == 0 &&
         tcb.send.bytes > 0;
}

// What the retransmission timer is set to: the RTO, or less if R2 comes first. Probes of a shut
// window are as far apart as their backoff says (RFC 9293 §3.8.6.1): an answer starts R2 anew, and
// the wait for the next probe began before it.
Duration rto_wait_again(const Context& c, const Tcb& tcb);
inline Duration rto_wait(const Context& c, const Tcb& tcb) {
  // The first time: what opening and closing need, and a request and its answer.
  if (tcb.retries == 0) [[likely]] {
    if (!tcb.has(Flag::data_ready)) {
      if (tcb.has(Flag::syn_unacked)) return c.syn_wait;
      return std::min(rto_base(c, tcb), c.config.retry_timeout);
    }
    if (c.stream(tcb).backoff == 0 && !probes_window(tcb)) {
      return std::min(rto_base(c, tcb), retry_limit(c, tcb));
    }
  }
  return rto_wait_again(c, tcb);
}
// The timer fired: was that R2?
inline bool retries_spent(const Context& c, const Tcb& tcb) {
  return tcb.retries == 255 || unanswered_for(c, tcb) + rto(c, tcb) >= retry_limit(c, tcb);
}

// A shut window was answered: the peer is alive, so that the backoff goes on but R2 is a whole
// retransmission away (RFC 9293 §3.8.6.1).
inline void answered(const Context& c, Tcb& tcb) {
  if (tcb.has(Flag::data_ready)) tcb.retries = 0;
  while (tcb.retries > 0 && retries_spent(c, tcb)) --tcb.retries;
}

// How long our SYN took to be acknowledged, REQUIRES: it was sent once, syn_unacked, and its timer
// runs. The time of sending is not kept: the timer's deadline says it, to a tick, and a tick is
// added, since an RTT that is too short makes probes of the tail that nobody needs.
inline bool handshake_rtt(const Context& c, const Tcb& tcb, std::uint32_t& rtt_us) {
  constexpr std::int64_t grain = std::int64_t{1} << tick_shift;
  const std::int64_t ahead = Tick{tcb.timer_at} - tick_of(c.clock.now);
  const std::int64_t left = ahead * grain - c.clock.now.time_since_epoch().count() % grain;
  const std::int64_t wait = rto_wait(c, tcb).count();
  const std::int64_t rtt = wait - left + grain;
  if (rtt <= 0 || rtt > wait + 2 * grain) return false;
  rtt_us = static_cast<std::uint32_t>(rtt / 1'000);
  return true;
}

// The retransmission timer, unless one runs.
void start_timer(Context& c, std::uint32_t index);
// After an ACK that moved SND.UNA: again from now, or off if nothing is in flight.
void restart_timer(Context& c, std::uint32_t index);

// RFC 8985 §7.2: sets the tail loss probe after a transmission or an ACK, if the connection may
// have one.
void schedule_tail_probe(Context& c, std::uint32_t index);

}  // namespace salut::tcp
