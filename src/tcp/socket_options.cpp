#include "tcp/socket_options.hpp"

#include <algorithm>
#include <type_traits>

#include "base/limits.hpp"
#include "tcp/congestion/congestion.hpp"
#include "tcp/stream_setup.hpp"
#include "tcp/timers.hpp"
#include "tcp/timestamps.hpp"

namespace salut::tcp {
namespace {

constexpr Duration longest = std::chrono::hours{24 * 24};  // ticks tell 26 days apart
constexpr std::uint32_t buffer_min = 2'048;
constexpr std::uint32_t buffer_max = 1u << 30;
constexpr std::uint16_t mss_min = 64;
constexpr std::uint16_t mss_max = 65'535;
constexpr std::uint8_t dscp_max = 63;
constexpr Duration keep_interval_min = std::chrono::seconds{1};
constexpr Duration keep_interval_max = std::chrono::seconds{32'767};  // as Linux
constexpr std::uint32_t keep_probes_max = 127;

std::uint32_t to_ms(Duration duration) {
  return static_cast<std::uint32_t>((duration.count() + ns_per_ms - 1) / ns_per_ms);
}

double number_of(Duration time) { return std::chrono::duration<double>(time).count(); }
double number_of(std::uint32_t value) { return value; }

}  // namespace

std::string WrongOption::want() const {
  return (min ? range_text(*min, max) : "at most " + number_text(max)) + unit;
}

std::optional<WrongOption> wrong_option(const ConnectionOptions& options) {
  std::optional<WrongOption> wrong;
  const auto check = [&wrong](const char* name, const auto& wish, auto min, auto max) {
    if (wrong || !wish || (*wish >= min && *wish <= max)) return;
    const char* unit = std::is_same_v<decltype(max), Duration> ? " s" : "";
    wrong = {name, number_of(*wish), number_of(min), number_of(max), unit};
  };
  check("mss", options.mss, mss_min, mss_max);
  check("dscp", options.dscp, std::uint8_t{0}, dscp_max);
  check("keep_alive_interval", options.keep_alive_interval, keep_interval_min, keep_interval_max);
  check("keep_alive_probes", options.keep_alive_probes, 1u, keep_probes_max);
  check("send_buffer", options.send_buffer, buffer_min, buffer_max);
  check("recv_buffer", options.recv_buffer, buffer_min, buffer_max);
  check("keep_alive", options.keep_alive, Duration{0}, longest);
  check("user_timeout", options.user_timeout, Duration{0}, longest);
  if (!wrong && options.linger && *options.linger > longest) {
    wrong = {"linger", number_of(*options.linger), std::nullopt, number_of(longest), " s"};
  }
  return wrong;
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
  if (options.keep_alive_probes) {
    stream.keep_most = static_cast<std::uint8_t>(*options.keep_alive_probes);
  }
  if (options.keep_alive_interval) {
    stream.keep_seconds = static_cast<std::uint16_t>(
        std::chrono::ceil<std::chrono::seconds>(*options.keep_alive_interval).count());
  }
  if (options.keep_alive) {
    stream.keep_alive_ms = to_ms(*options.keep_alive);
    stream.set(keep_alive_own);
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
  if (!stream.has(keep_alive_own)) stream.keep_alive_ms = to_ms(c.config.keep_alive);
  stream.keep_at = 0;
  stream.keep_probes = 0;
  stream.heard_at = c.clock.tick.value;
  if (stream.keep_alive_ms == 0) return;
  set_deadline(c, index, stream.keep_at, Duration{stream.keep_alive_ms * ns_per_ms});
}

void watch_orphan(Context& c, std::uint32_t index) {
  const Tcb& t = c.tcbs[index];
  if (!t.has(Flag::data_ready) || t.send.bytes == 0 || t.state == State::syn_sent) return;
  Stream& stream = c.stream(t);
  stream.orphan_una = t.snd_una;
  set_deadline(c, index, stream.orphan_at, c.config.orphan_timeout);
}

void start_linger(Context& c, std::uint32_t index) {
  Tcb& t = c.tcbs[index];
  if (!t.has(Flag::data_ready) || c.stream(t).linger_ms <= 0) return;
  Stream& stream = c.stream(t);
  set_deadline(c, index, stream.linger_at, Duration{stream.linger_ms * ns_per_ms});
}

// A tick tells deadlines of up to 26 days apart.
Errc set_owner_timer(Context& c, std::uint32_t index, Duration after) {
  constexpr Duration most = std::chrono::hours{24 * 24};
  if (after < Duration{0} || after > most) return Errc::invalid_argument;
  Tcb& t = c.tcbs[index];
  prepare_data(c, t);
  Stream& stream = c.stream(t);
  const Tick at = after == Duration{0} ? c.clock.tick : tick_after(c.clock.now, after);
  const Tick wanted{at.value == 0 ? 1 : at.value};
  if (!c.wheel.arm(index, t.wheel_at, wanted)) return Errc::overload;
  stream.owner_timer_at = wanted.value;
  return Errc::ok;
}

}  // namespace salut::tcp
