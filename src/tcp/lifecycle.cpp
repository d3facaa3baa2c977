#include "tcp/lifecycle.hpp"

#include <algorithm>

#include "tcp/loss.hpp"
#include "tcp/reassembly.hpp"
#include "tcp/socket_options.hpp"
#include "tcp/timers.hpp"

namespace salut::tcp {

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
  tcb.snd_una = tuple.isn(c.clock.now);
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
  const Tick deadline = tick_after(c.clock.now, 2 * c.config.msl);
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
