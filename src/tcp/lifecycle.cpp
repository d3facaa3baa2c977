#include "tcp/lifecycle.hpp"

#include <algorithm>

#include "tcp/loss.hpp"
#include "tcp/reassembly.hpp"
#include "tcp/socket_options.hpp"
#include "tcp/timers.hpp"

namespace salut::tcp {

namespace {
// The longest deadline that the TIME_WAIT arena will be given, in ticks.
std::uint32_t ticks_of(Duration duration) {
  return static_cast<std::uint32_t>(duration.count() >> tick_shift) + 2;
}

// Ports, flow labels and budgets of challenge ACKs are seen by whoever wants to, and what makes
// them can be turned round: none of it gets the seed itself, which would give away the key of the
// ISNs.
std::uint64_t derived(std::uint64_t seed, std::uint64_t purpose) {
  return SipHash(seed, ~seed)(purpose, 0);
}

// The smallest shift with which the header carries the whole buffer.
std::uint8_t scale_for(std::uint32_t buffer) {
  std::uint8_t shift = 0;
  while (shift < max_window_scale && buffer >> shift > 65'535) ++shift;
  return shift;
}
// What active opens out of `port` come from: the ranges of a family where there are any, which are
// what a load generator has, or else its addresses. Nobody opens from a link-local address unless
// he says so.
void add_sources(Context& c, std::uint32_t port) {
  const ip::Interface& interface = c.interfaces.interface(port);
  const auto add = [&](const IpAddress& first, std::uint32_t count) {
    if (first.is_v4()) return c.ports.add_range(port, first.v4(), count);
    c.ports.add_range6(Context::sources6_at + port, first, count);
  };
  if (interface.steering != nullptr) {
    for (const std::uint32_t number : {port, Context::sources6_at + port}) {
      c.ports.set_home(number, *interface.steering, interface.steered_as);
    }
  }
  for (const bool v4 : {true, false}) {
    const auto is_family = [v4](const auto& range) { return range.first.is_v4() == v4; };
    const auto& ranges = interface.ranges;
    const bool has_ranges = std::any_of(ranges.begin(), ranges.end(), is_family);
    for (const AddressRange& range : ranges) {
      if (is_family(range)) add(range.first, range.count);
    }
    for (const Prefix& prefix : interface.addresses) {
      const bool usable = prefix.address.is_v4() == v4 && !prefix.address.is_link_local();
      if (usable && !has_ranges) add(prefix.address, 1);
    }
  }
}
}  // namespace

Context::Context(const StackConfig& stack_config, std::vector<ip::Interface> ports_of_stack,
                 FramePool& pool, Memory& memory, std::uint64_t seed, std::uint8_t id,
                 Instant start)
    : config(stack_config),
      stack_id(id),
      now(start),
      started(start),
      tick(tick_of(start)),
      rcv_scale(scale_for(config.recv_buffer)),
      interfaces(std::move(ports_of_stack), pool, memory, counters),
      tcbs(memory, config.connections),
      streams(memory, config.connections, Use::buffers),
      recoveries(memory, config.connections, Use::buffers),
      ranges(memory, config.connections, config.buffer_blocks),
      islands(memory, config.buffer_blocks, Use::buffers),
      buffers(memory, config.buffer_blocks, &interfaces, config.lent_frames),
      hash(seed),
      flows(memory, std::uint64_t{config.connections} + config.time_wait),
      time_wait(memory, config.time_wait, tick, ticks_of(2 * config.msl)),
      listeners(memory),
      listener_options(memory, flow::Listeners::capacity, Use::tcb),
      ports(derived(seed, 1)),
      fold(derived(seed, 2)),
      wheel(memory, config.connections, tick),
      isn(seed ^ 0x2545f4914f6cdd1d),
      challenges(derived(seed, 3)),
      cookies(seed ^ 0xe7037ed1a0b428db),
      outputs(memory, config.connections),
      events(memory, event_capacity, Use::tcb) {
  set_now(start);
  if (interfaces.has_ip6()) {
    addresses6 = FixedArray<AddressPair>(memory, config.connections, Use::tcb);
    time_wait6 = FixedArray<AddressPair>(memory, time_wait.index_end(), Use::time_wait);
  }
  for (unsigned port = 0; port < interfaces.count(); ++port) add_sources(*this, port);
}

std::uint32_t create(Context& c, const Key& key, const AddressPair* whole, std::uint64_t hash,
                     State state, std::uint16_t neighbour, std::uint16_t mss) {
  const std::uint32_t index = c.tcbs.acquire();
  if (index == TcbPool::none) return index;
  if (!c.flows.insert(hash, index)) {
    c.tcbs.release(index);
    return TcbPool::none;
  }
  Tcb& tcb = c.tcbs[index];
  tcb.key = key;
  tcb.state = state;
  tcb.retries = 0;
  const Tuple tuple = c.isn.tuple(key, whole);
  tcb.snd_una = tuple.isn(c.now);
  tcb.snd_nxt = tcb.snd_una + 1;
  tcb.rcv_nxt = tcb.rcv_adv = Seq{};
  tcb.snd_wnd = 0;
  tcb.user = 0;
  tcb.neighbour = neighbour;
  tcb.mss = mss;
  tcb.listener = 0;
  tcb.set(Flag::syn_unacked);
  if (whole != nullptr) {
    tcb.set(Flag::ip6);
    c.addresses6[index] = *whole;
  }
  if (c.config.timestamps) tcb.ts_offset = tuple.ts_offset;
  c.interfaces.neighbours().hold(neighbour);
  ++c.counters.states[static_cast<std::size_t>(state)];
  ++c.counters.states_entered[static_cast<std::size_t>(state)];
  return index;
}

namespace {

// What both ways out share: next hop, buffers, slot. The gauges are the caller's.
void give_back(Context& c, std::uint32_t index) {
  Tcb& tcb = c.tcbs[index];
  c.interfaces.neighbours().release(tcb.neighbour);
  if (tcb.has(Flag::data_ready)) {
    c.buffers.clear(tcb.send);
    if (tcb.has(Flag::gaps)) drop_islands(c, tcb);
    c.buffers.clear(tcb.recv);
    release_recovery(c, c.stream(tcb));
    c.streams.release(tcb.stream);
  }
  c.tcbs.release(index);
}

bool unread(const Tcb& tcb) {
  return tcb.has(Flag::data_ready) && tcb.recv.bytes > 0 && !tcb.has(Flag::user_closed);
}

void report_closed(Context& c, std::uint32_t index, Reason reason) {
  if (c.tcbs[index].has(Flag::closed_reported) || !owned(c.tcbs[index])) return;
  ++c.counters.ended[static_cast<std::size_t>(reason)];
  c.post_event(index, salut::Event::closed, reason);
}

// TCB to record; false if the arena is full.
bool retire(Context& c, std::uint32_t index, Tick deadline) {
  Tcb& tcb = c.tcbs[index];
  flow::Record record{};
  record.key = tcb.key;
  record.snd_nxt = tcb.snd_nxt.value;
  record.rcv_nxt = tcb.rcv_nxt.value;
  record.rcv_wnd = static_cast<std::uint16_t>(std::min(tcb.rcv_wnd() >> tcb.rcv_scale(), 65'535u));
  record.flags = static_cast<std::uint8_t>(tcb.rcv_scale() |
                                           (tcb.has(Flag::timestamps) ? record_timestamps : 0));
  record.ts_recent = tcb.has(Flag::timestamps) ? tcb.ts_recent : 0;
  record.deadline = deadline.value;
  if (tcb.has(Flag::ip6)) record.flags |= flow::record_ip6;
  const std::uint32_t at = c.time_wait.append(record);
  if (at == flow::TimeWait::none) return false;
  if (tcb.has(Flag::ip6)) c.time_wait6[at] = c.addresses6[index];
  c.flows.replace(c.hash(tcb.key), index, at | time_wait_bit);
  report_closed(c, index, Reason::closed);
  give_back(c, index);
  return true;
}

}  // namespace

void release(Context& c, std::uint32_t index, Reason reason) {
  Tcb& tcb = c.tcbs[index];
  if (tcb.has(Flag::passive) && tcb.has(Flag::syn_unacked)) {
    half_open_ends(c, tcb);
  }
  if (!tcb.has(Flag::finished)) c.flows.erase(c.hash(tcb.key), index);
  --c.counters.states[static_cast<std::size_t>(tcb.state)];
  report_closed(c, index, reason);
  give_back(c, index);
}

Fate finish(Context& c, std::uint32_t index) {
  Tcb& tcb = c.tcbs[index];
  if (!unread(tcb)) {
    release(c, index, Reason::closed);
    return Fate::gone;
  }
  c.flows.erase(c.hash(tcb.key), index);
  tcb.set(Flag::finished);
  clear_timer(tcb);
  return Fate::alive;
}

Fate enter_time_wait(Context& c, std::uint32_t index) {
  Tcb& tcb = c.tcbs[index];
  const Tick deadline = tick_after(c.now, 2 * c.config.msl);
  if (!unread(tcb) && retire(c, index, deadline)) return Fate::gone;
  // The arena is full, or the reader is not done: the TCB itself waits, 2MSL is never cut short.
  set_timer(c, index, 2 * c.config.msl);
  if (!unread(tcb)) {
    report_closed(c, index, Reason::closed);
    tcb.set(Flag::closed_reported);
    if (++tcb.generation == 0) tcb.generation = 1;
  }
  return Fate::alive;
}

Fate reader_done(Context& c, std::uint32_t index) {
  Tcb& tcb = c.tcbs[index];
  if (unread(tcb)) return Fate::alive;
  if (tcb.has(Flag::finished)) {
    release(c, index, Reason::closed);
    return Fate::gone;
  }
  if (tcb.state != State::time_wait || tcb.has(Flag::closed_reported)) return Fate::alive;
  if (retire(c, index, Tick{tcb.timer_at})) return Fate::gone;
  report_closed(c, index, Reason::closed);
  tcb.set(Flag::closed_reported);
  if (++tcb.generation == 0) tcb.generation = 1;
  return Fate::alive;
}

Fate apply(Context& c, std::uint32_t index, State to, unsigned acts, unsigned what, Reason reason) {
  Tcb& tcb = c.tcbs[index];
  if ((acts & Act::established) != 0) {
    if (tcb.has(Flag::passive)) {
      ++c.counters.accepted;
      what |= salut::Event::accepted;
    } else {
      ++c.counters.connected;
      what |= salut::Event::connected;
    }
    if (c.config.keep_alive.count() != 0 || tcb.has(Flag::data_ready)) start_keep_alive(c, index);
  }
  if ((acts & Act::peer_closed) != 0) what |= salut::Event::peer_closed;
  if (to != tcb.state) {
    set_state(c, tcb, to);
    // After a half-close it waits for ever: the application decides.
    if (to == State::fin_wait_2 && tcb.has(Flag::user_closed)) {
      set_timer(c, index, c.config.fin_wait_2);
    }
  }
  if (what != 0 && !tcb.has(Flag::closed_reported)) c.post_event(index, what);
  if ((acts & Act::arm_2msl) != 0) return enter_time_wait(c, index);
  if ((acts & Act::release) != 0) {
    if (reason == Reason::closed) return finish(c, index);
    release(c, index, reason);
    return Fate::gone;
  }
  return Fate::alive;
}

}  // namespace salut::tcp
