#include "tcp/owner.hpp"

#include <algorithm>

#include "tcp/congestion/congestion.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/options.hpp"
#include "tcp/output.hpp"

namespace salut::tcp {
namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr Duration longest = std::chrono::hours{24 * 365 / 2};
constexpr Duration grain{std::int64_t{1} << tick_shift};  // heard_at is rounded down
constexpr std::uint32_t buffer_min = 2'048;
constexpr std::uint16_t mss_min = 64;
constexpr std::uint8_t dscp_max = 63;
constexpr std::uint32_t buffer_max = 1u << 30;

std::uint32_t to_ms(Duration duration) {
  return static_cast<std::uint32_t>((duration.count() + ns_per_ms - 1) / ns_per_ms);
}

bool in_range(const std::optional<std::uint32_t>& bytes) {
  return !bytes || (*bytes >= buffer_min && *bytes <= buffer_max);
}

// Where a peer that says nothing may be dead.
bool may_probe(State state) {
  return state == State::established || state == State::close_wait || state == State::fin_wait_2;
}

// Moves the connection as the table says and gives it back.
bool end_now(Context& c, std::uint32_t index, StateEvent event, Reason reason) {
  Tcb& t = c.tcbs[index];
  const Cell& cell = step(t.state, event);
  if ((cell.acts & Act::send_rst) != 0) output_reset(c, index);
  set_state(c, t, cell.to);
  release(c, index, reason);
  return false;
}

}  // namespace

bool valid_options(const ConnectionOptions& options) {
  const auto duration = [](const std::optional<Duration>& wish) {
    return !wish || (wish->count() >= 0 && *wish <= longest);
  };
  if (options.mss && *options.mss < mss_min) return false;
  if (options.dscp && *options.dscp > dscp_max) return false;
  return in_range(options.send_buffer) && in_range(options.recv_buffer) &&
         duration(options.keep_alive) && duration(options.user_timeout) &&
         (!options.linger || *options.linger <= longest);
}

void set_options(Context& c, std::uint32_t index, const ConnectionOptions& options) {
  Tcb& t = c.tcbs[index];
  if (options.mss) {  // before the Stream, whose first cwnd is counted in it
    const bool stamps = t.has(Flag::timestamps) && t.state != State::syn_sent;
    const unsigned header = stamps ? timestamps_size : 0;
    t.mss = std::min(t.mss, static_cast<std::uint16_t>(*options.mss - header));
  }
  prepare_data(c, t);
  Stream& stream = c.stream(t);
  if (options.mss) stream.own_mss = *options.mss;
  if (options.no_delay) *options.no_delay ? stream.set(no_delay) : stream.clear(no_delay);
  if (options.congestion) set_controller(stream, *options.congestion);
  if (options.dscp) stream.dscp = *options.dscp;
  if (options.send_buffer) stream.send_buffer = *options.send_buffer;
  if (options.recv_buffer) stream.recv_buffer = *options.recv_buffer;
  if (options.user_timeout) stream.user_timeout_ms = to_ms(*options.user_timeout);
  if (options.linger) {
    const bool background = options.linger->count() < 0;
    stream.linger_ms = background ? -1 : static_cast<std::int32_t>(to_ms(*options.linger));
  }
  if (options.keep_alive) {
    stream.keep_alive_ms = to_ms(*options.keep_alive);
    stream.keep_alive_own = true;
    if (may_probe(t.state)) start_keep_alive(c, index);
  }
  // What is ready may leave now, and the window may have grown.
  c.queue_output(index);
}

void start_keep_alive(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  if (!t.has(Flag::data_ready)) {
    if (c.config.keep_alive.count() == 0) return;
    prepare_data(c, t);
  }
  Stream& stream = c.stream(t);
  if (!stream.keep_alive_own) stream.keep_alive_ms = to_ms(c.config.keep_alive);
  stream.keep_at = 0;
  stream.keep_probes = 0;
  stream.heard_at = c.tick.value;
  if (stream.keep_alive_ms == 0) return;
  set_deadline(c, index, stream.keep_at, Duration{stream.keep_alive_ms * ns_per_ms});
}

bool on_keep_alive(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  Stream& stream = c.stream(t);
  if (stream.keep_alive_ms == 0 || !may_probe(t.state)) return true;
  const Duration idle{stream.keep_alive_ms * ns_per_ms};
  const Duration silent{std::int64_t{c.tick.value - stream.heard_at} << tick_shift};
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
  if (stream.keep_probes >= c.config.keep_alive_probes || (overdue && stream.keep_probes > 0)) {
    // Not retries_out: the table has nothing in flight in FIN_WAIT_2.
    return end_now(c, index, StateEvent::abort, Reason::timed_out);
  }
  ++stream.keep_probes;
  ++c.counters.keep_alives;
  emit_control(c, t, t.snd_nxt + 0xffff'ffffu, wire::ack);
  set_deadline(c, index, stream.keep_at, c.config.keep_alive_interval);
  return true;
}

void start_linger(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  if (!t.has(Flag::data_ready) || c.stream(t).linger_ms <= 0) return;
  Stream& stream = c.stream(t);
  set_deadline(c, index, stream.linger_at, Duration{stream.linger_ms * ns_per_ms});
}

bool on_linger(Context& c, std::uint32_t index) {
  const State state = c.tcbs[index].state;
  const bool acknowledged = state == State::fin_wait_2 || state == State::time_wait;
  if (acknowledged) return true;
  return end_now(c, index, StateEvent::abort, Reason::aborted);
}

}  // namespace salut::tcp
