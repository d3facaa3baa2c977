#include "tcp/timeouts.hpp"

#include "tcp/lifecycle.hpp"
#include "tcp/path_mtu.hpp"
#include "tcp/sender.hpp"
#include "tcp/socket_options.hpp"
#include "tcp/timers.hpp"
#include "tcp/transmit.hpp"

namespace salut::tcp {
namespace {

// How far cache lines are prefetched ahead. A core drops prefetches beyond about twenty.
constexpr std::size_t ahead = 16;

// Something is in flight and was not acknowledged in time.
void retransmission_timeout(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  // Quiet time is over (RFC 9293 §3.4.3): this SYN never left.
  if (t.state == State::syn_sent && t.has(Flag::emit_syn) && !t.has(Flag::queued)) {
    return c.queue_output(index);
  }
  const bool child_spent =
      t.has(Flag::passive) && t.has(Flag::syn_unacked) && t.retries >= c.config.syn_ack_retries;
  if (child_spent || retries_spent(c, t)) {
    apply_event(c, index,
                t.has(Flag::passive) ? StateEvent::retries_out_passive : StateEvent::retries_out);
    return;
  }
  const unsigned acts = apply_event(c, index, StateEvent::rto).acts;
  if (t.has(Flag::syn_unacked)) {
    ++t.retries;
    if (t.has(Flag::data_ready)) c.stream(t).backoff = t.retries;
    ++c.counters.retransmits;
    t.set(Flag::emit_syn);
    c.queue_output(index);
  } else if ((acts & Act::retransmit) != 0) {
    if (t.has(Flag::data_ready)) suspect_black_hole(c, index);
    on_timeout(c, index);
  }
  set_timer(c, index, rto_wait(c, t));
}

// True once, when the deadline has come; until then the wheel is armed for it again.
bool due(Context& c, std::uint32_t index, std::uint32_t& deadline) {
  if (deadline == 0) return false;
  if (Tick{deadline} > c.clock.tick) {
    c.wheel.arm(index, c.tcbs[index].wheel_at, Tick{deadline});
    return false;
  }
  deadline = 0;
  return true;
}

constexpr Duration grain = tick_length;  // heard_at is rounded down

// The deadline Stream::keep_at has come: probes, or ends, a peer that is silent. False: it is gone.
bool on_keep_alive(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  if (stream.keep_alive_ms == 0 || !may_probe(t.state)) return true;
  const Duration idle{stream.keep_alive_ms * ns_per_ms};
  const Duration silent{std::int64_t{c.clock.tick.value - stream.heard_at} << tick_shift};
  // Data in flight, or waiting for a window, has timers of its own that find a dead peer.
  const bool busy = t.snd_una != t.snd_nxt || t.send.bytes > 0;
  if (silent < idle || busy) {
    stream.keep_probes = 0;
    set_deadline(c, index, stream.keep_at, busy ? idle : idle - silent + grain);
    return true;
  }
  // The idle time may be shorter than the interval: silent again after an answer is not unanswered.
  if (static_cast<std::uint16_t>(stream.heard_at) != stream.keep_heard) stream.keep_probes = 0;
  stream.keep_heard = static_cast<std::uint16_t>(stream.heard_at);
  const bool overdue =
      stream.user_timeout_ms != 0 && silent >= Duration{stream.user_timeout_ms * ns_per_ms};
  const std::uint32_t most = stream.keep_most != 0 ? stream.keep_most : c.config.keep_alive_probes;
  if (stream.keep_probes >= most || (overdue && stream.keep_probes > 0)) {
    // Not retries_out: the table has nothing in flight in FIN_WAIT_2.
    apply_event(c, index, StateEvent::abort, {.reason = Reason::timed_out});
    return false;
  }
  ++stream.keep_probes;
  ++c.counters.keep_alives;
  emit_control(c, t, t.snd_nxt + 0xffff'ffffu, wire::ack);
  const Duration interval = stream.keep_seconds != 0 ? std::chrono::seconds{stream.keep_seconds}
                                                     : c.config.keep_alive_interval;
  set_deadline(c, index, stream.keep_at, interval);
  return true;
}

// The linger time has passed. A gentle close waits for the peer's FIN too. False: the connection
// was reset, and is gone.
bool on_linger(Context& c, std::uint32_t index) {
  const Tcb& t = c.tcbs[index];
  const bool acknowledged = t.state == State::fin_wait_2 && !c.stream(t).has(discards);
  if (acknowledged || t.state == State::time_wait) return true;
  apply_event(c, index, StateEvent::abort);
  return false;
}

// An orphan, closed by its owner and with a peer that takes nothing, is given up (RFC 6429 §4): it
// holds a slot and its bytes as long as the peer answers probes. One that gets on is not; a byte
// now and then is not getting on. A window that is open now may take something yet, but only once:
// a peer could open it whenever we look. False: it was reset, and is gone.
bool on_orphan(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  const bool waits = t.has(Flag::user_closed) && t.send.bytes > 0;
  if (!waits) return true;
  const bool stuck = t.snd_una - stream.orphan_una < t.mss;
  if (stuck && (t.snd_wnd < t.mss || stream.has(orphan_spared))) {
    apply_event(c, index, StateEvent::abort, {.reason = Reason::timed_out});
    return false;
  }
  stuck ? stream.set(orphan_spared) : stream.clear(orphan_spared);
  watch_orphan(c, index);
  return true;
}

// Connection::set_timer(). It is the application's, which knows the connection until `closed`.
void fire_owner_timer(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  if (due(c, index, c.stream(t).owner_timer_at) && !t.has(Flag::closed_reported)) {
    c.post_event(index, salut::Event::timer);
  }
}

// The deadlines in the Stream. False: the connection is gone.
bool fire_deadlines(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  fire_owner_timer(c, index);
  if (due(c, index, stream.ack_at) && t.has(Flag::ack_delayed)) {
    t.set(Flag::ack_pending);
    c.queue_output(index);
  }
  if (due(c, index, stream.keep_at) && !on_keep_alive(c, index)) return false;
  if (due(c, index, stream.linger_at) && !on_linger(c, index)) return false;
  if (due(c, index, stream.orphan_at) && !on_orphan(c, index)) return false;
  if (due(c, index, stream.probe_at)) on_probe(c, index);
  return true;
}

void fire(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  if (t.ending != 0 || t.has(Flag::finished)) {
    t.timer_at = 0;
    if (t.ending == 0 && t.has(Flag::data_ready)) fire_owner_timer(c, index);  // a slow reader's
    return;
  }
  if (t.has(Flag::data_ready) && !fire_deadlines(c, index)) return;
  if (t.timer_at == 0) return;
  if (Tick{t.timer_at} > c.clock.tick) {
    c.wheel.arm(index, t.wheel_at, Tick{t.timer_at});
    return;
  }
  t.timer_at = 0;
  // A gentle close has a limit of its own.
  if (t.state == State::fin_wait_2 && t.has(Flag::data_ready) && c.stream(t).has(discards)) return;
  if (t.state == State::time_wait || t.state == State::fin_wait_2) {
    apply_event(c, index,
                t.state == State::time_wait ? StateEvent::timeout_2msl : StateEvent::idle_limit);
    return;
  }
  if (t.snd_una != t.snd_nxt) return retransmission_timeout(c, index);
  if (t.has(Flag::data_ready) && t.send.bytes > 0) return on_persist(c, index);
  if (t.has(Flag::fin_wanted) && !t.has(Flag::fin_sent)) return c.queue_output(index);
  if (t.has(Flag::write_blocked)) on_blocked(c, index);
}

void run_wheel(Context& c) {
  c.wheel.advance(
      c.clock.tick, timer_budget,
      [&c](std::span<const timer::Entry> entries) {
        timer::visit(
            entries,
            [&c](const timer::Entry& entry) {
              if (c.app_timers.owns(entry.id)) return c.app_timers.prefetch(entry.id);
              __builtin_prefetch(&c.tcbs[entry.id], 1);
            },
            [&c](const timer::Entry& entry) {
              if (c.app_timers.owns(entry.id)) {
                const auto user = c.app_timers.fire(c.wheel, entry, c.clock.now);
                if (user) c.post_timer(*user);
                return;
              }
              Tcb& t = c.tcbs[entry.id];
              if (t.wheel_at != entry.deadline.value) return;  // stale
              t.wheel_at = 0;
              fire(c, entry.id);
            });
      },
      [&c](const timer::Entry& entry) {
        return c.app_timers.owns(entry.id) ? c.app_timers.live(entry)
                                           : c.tcbs[entry.id].wheel_at == entry.deadline.value;
      });
}

void expire_time_wait(Context& c) {
  // 2MSL began again, and the record lies elsewhere now.
  const auto moved = [&c](std::uint32_t from, std::uint32_t to) {
    const flow::Record& record = c.time_wait[to];
    if ((record.flags & flow::record_ip6) != 0) c.time_wait6[to] = c.time_wait6[from];
    c.flows.replace(c.hash(record.key), from | time_wait_bit, to | time_wait_bit);
  };
  const auto expired = [&c](std::span<const flow::Expired> batch) {
    std::array<std::uint64_t, flow::TimeWait::max_batch> hashes;
    const auto look_ahead = [&](std::size_t i) {
      if (i >= batch.size()) return;
      hashes[i] = c.hash(batch[i].record->key);
      c.flows.prefetch(hashes[i]);
    };
    for (std::size_t i = 0; i < ahead; ++i) look_ahead(i);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      look_ahead(i + ahead);
      c.flows.erase(hashes[i], batch[i].index | time_wait_bit);
    }
    c.counters.states[static_cast<std::size_t>(State::time_wait)] -= batch.size();
    c.counters.time_wait_expired += batch.size();
  };
  c.time_wait.expire(c.clock.tick, timer_budget, expired, moved);
}

}  // namespace

void run_timers(Context& c) {
  run_wheel(c);
  expire_time_wait(c);
}

}  // namespace salut::tcp
