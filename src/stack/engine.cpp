#include "stack/engine.hpp"

#include <algorithm>
#include <array>

#include "tcp/addresses.hpp"
#include "tcp/input.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/output.hpp"
#include "tcp/pressure.hpp"
#include "tcp/timeouts.hpp"
#include "wire/parse.hpp"

namespace salut::stack {

using tcp::Flag;
using tcp::Tcb;

namespace {
constexpr Duration neighbour_period = std::chrono::milliseconds{100};
constexpr Duration pause_min = tick_length;  // a shorter one makes no timer due
constexpr Duration catch_up_max = std::chrono::milliseconds{50};
}  // namespace

Engine::Engine(const StackConfig& config, std::vector<ip::Interface> interfaces, FramePool& pool,
               Memory& memory, std::uint64_t seed, std::uint8_t stack_id, Instant start)
    : c_(config, std::move(interfaces), pool, memory, seed, stack_id, start),
      active_opens_(c_, seed),
      turn_at_(start),
      neighbours_due_(start),
      next_port_(static_cast<std::uint32_t>(tcp::derived_seed(seed, tcp::SeedFor::listen_ports))),
      ready_(memory, config.connections) {
  c_.interfaces.set_unreachable_listener(this);
}

Engine::~Engine() { c_.interfaces.set_unreachable_listener(nullptr); }

std::span<const Event> Engine::poll(Instant now) {
  const Duration pause = now - turn_at_;
  turn_at_ = now;
  c_.clock.set(now);
  active_opens_.begin_turn();
  if (repeats_ && (c_.event_bits & (Event::readable | Event::writable)) != 0) keep_unused();
  c_.event_count = c_.event_bits = 0;
  icmp_errors_before_ = c_.counters.icmp_errors;

  if (finish_at_) [[unlikely]]
    finish_some();
  c_.interfaces.flush(now);  // frames for which the device had no room
  bool busy = c_.interfaces.sent_something();
  const bool unsent = tcp::flush_outputs(c_, more_to_receive_);  // what the application made ready
  c_.interfaces.flush(now);
  busy |= c_.interfaces.sent_something();
  told_ = 0;
  if (!ready_.empty()) tell_again();

  busy |= receive();  // a burst of each port through the whole protocol
  timers_ran_ = !catches_up(pause);
  if (timers_ran_) [[likely]]
    tcp::run_timers(c_);
  if (tcp::under_pressure(c_)) [[unlikely]]
    tcp::relieve_pressure(c_);
  if (now >= neighbours_due_) {
    neighbours_due_ = now + neighbour_period;
    c_.interfaces.advance(now);
    c_.counters.siblings_alive = c_.interfaces.siblings().alive(now);
  }
  if (!unreachable_.empty()) tell_unreachable();

  if (filters_) [[unlikely]]
    drop_unwanted();

  // If there are events, ACKs wait until the application has handled them, to ride on what it
  // sends. If there are none, nothing waits.
  if (c_.event_count == 0 || !c_.config.coalesce) tcp::flush_outputs(c_, more_to_receive_);
  c_.interfaces.flush(now);
  c_.interfaces.release_spare();

  saturated_ = unsent || more_to_receive_;
  busy_ = busy || c_.interfaces.sent_something() || c_.event_count > 0;
  if (busy_) note_peaks();
  return {c_.events.data(), c_.event_count};
}

bool Engine::receive() {
  bool any = false;
  bool full = false;
  std::array<Frame, tcp::burst> frames;
  for (unsigned port = 0; port < c_.interfaces.count(); ++port) {
    if (!c_.interfaces.has_room_for_answers(port, tcp::burst, c_.clock.now)) [[unlikely]]
      continue;
    const unsigned n = c_.interfaces.receive(port, frames.data(), tcp::burst);
    if (n == 0) continue;
    tcp::input(c_, burst_, frames.data(), n);
    any = true;
    full |= c_.interfaces.burst_was_full();
  }
  more_to_receive_ = full;
  return any;
}

// The core had something else to do, for the slice of a scheduler: 4 ms and more. What came
// meanwhile lies in the queues, and behind the first burst are ACKs. Were the timers to run first,
// each connection whose ACK lies there would send a tail probe, or go into recovery, for nothing.
// So they wait until the queues are empty: at most for as long as the pause was, and never for two
// pauses in a row, or a loop that is slow and never done would have no timers at all.
bool Engine::catches_up(Duration pause) {
  const Instant now = c_.clock.now;
  if (pause > pause_min && timers_ran_) caught_up_by_ = now + std::min(pause, catch_up_max);
  return more_to_receive_ && now < caught_up_by_;
}

void Engine::note_peaks() {
  Counters& counters = c_.counters;
  for (std::size_t s = 0; s < state_count; ++s) {
    counters.states_peak[s] = std::max(counters.states_peak[s], counters.states[s]);
  }
  const std::uint64_t sockets =
      counters.open_connections() + counters.states[static_cast<std::size_t>(State::time_wait)];
  counters.sockets_peak = std::max(counters.sockets_peak, sockets);
}

std::optional<Instant> Engine::next_timer() const {
  if (!c_.outputs.empty() || !unreachable_.empty() || left_unused()) return c_.clock.now;
  std::optional<Tick> tick = c_.wheel.next();
  if (const auto other = c_.time_wait.next(); other && (!tick || *other < *tick)) tick = other;
  std::optional<Instant> next = c_.interfaces.next_due();
  if (next) next = std::max(*next, neighbours_due_);
  if (tcp::under_pressure(c_)) {
    const Instant turn = c_.clock.now + tcp::pressure_period;
    next = next ? std::min(*next, turn) : turn;
  }
  if (!ready_.empty() || (finish_at_ && open_connections() != 0)) {
    const Instant turn = c_.clock.now + tick_length;
    next = next ? std::min(*next, turn) : turn;
  }
  if (tick) {
    const std::int64_t ahead = std::max<std::int32_t>(*tick - tick_of(c_.clock.now), 0);
    const std::int64_t base = c_.clock.now.time_since_epoch().count() >> tick_shift;
    const Instant at{Duration{(base + ahead) << tick_shift}};
    next = next ? std::min(*next, at) : at;
  }
  return next ? std::optional(std::max(c_.clock.now, *next)) : std::nullopt;
}

// Does the next hop still count as failed, for this connection too? If its SYN has not left, or was
// the one that made us ask again, it waits for another answer than the one that did not come. The
// timer has sent an older one again, which asks as well: it has waited for both.
bool Engine::waits_in_vain(const Tcb& t) const {
  const ip::Neighbours& neighbours = c_.interfaces.neighbours();
  if (!neighbours.failed(t.neighbour)) return false;
  if (t.retries > 0) return true;
  return neighbours.state(t.neighbour) == ip::Neighbours::State::idle && !t.has(Flag::emit_syn);
}

// Ends the connections in SYN_SENT whose next hop did not answer. Others go on until their R2.
void Engine::tell_unreachable() {
  unreachable_.walk(c_.tcbs.touched(),
                    [this](std::uint32_t index, const Unreachable::Hops& failed) {
                      const Tcb& t = c_.tcbs[index];
                      if (t.state != State::syn_sent || t.ending != 0) return;
                      if (!failed.test(t.neighbour) || !waits_in_vain(t)) return;
                      tcp::apply_call(c_, index, tcp::StateEvent::retries_out, Reason::unreachable);
                    });
}

}  // namespace salut::stack
