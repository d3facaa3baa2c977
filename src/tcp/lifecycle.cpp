#include "tcp/lifecycle.hpp"

#include "tcp/addresses.hpp"
#include "tcp/loss.hpp"
#include "tcp/raise.hpp"
#include "tcp/reassembly.hpp"
#include "tcp/reply.hpp"
#include "tcp/socket_options.hpp"
#include "tcp/timers.hpp"
#include "tcp/transmit.hpp"

namespace salut::tcp {

// The only friend of ConnectionState.
struct StateWriter {
  static void open(Context& c, Tcb& tcb, State to) {
    ++c.counters.states[static_cast<std::size_t>(to)];
    ++c.counters.states_entered[static_cast<std::size_t>(to)];
    tcb.state.value_ = to;
  }
  static void move(Context& c, Tcb& tcb, State to) {
    --c.counters.states[tcb.state.index()];
    open(c, tcb, to);
  }
  // The slot is empty. What the connection counted as has been taken off.
  static void clear(Tcb& tcb) { tcb.state.value_ = State::closed; }
};

std::uint32_t create(Context& c, const Key& key, const AddressPair* whole, std::uint64_t hash,
                     const Cell& opening, std::uint16_t neighbour, std::uint16_t mss) {
  const std::uint32_t index = c.tcbs.acquire();
  if (index == TcbPool::none) return index;
  if (!c.flows.insert(hash, index)) {
    c.tcbs.release(index);
    return TcbPool::none;
  }
  Tcb& tcb = c.tcbs[index];
  tcb.key = key;
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
  StateWriter::open(c, tcb, opening.to);
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
  StateWriter::clear(tcb);
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
  record.rcv_wnd = tcb.wnd_field();
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

// The application has nothing more to do with it and is told so; the TCB itself waits for 2MSL.
void disown(Context& c, std::uint32_t index) {
  report_closed(c, index, Reason::closed);
  c.tcbs[index].set(Flag::closed_reported);
  c.tcbs[index].renew();
}

}  // namespace

void release(Context& c, std::uint32_t index, Reason reason) {
  Tcb& tcb = c.tcbs[index];
  if (tcb.has(Flag::passive) && tcb.has(Flag::syn_unacked)) {
    half_open_ends(c, tcb);
  }
  if (!tcb.has(Flag::finished)) c.flows.erase(c.hash(tcb.key), index);
  --c.counters.states[tcb.state.index()];
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
  if (!unread(tcb)) disown(c, index);
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
  disown(c, index);
  return Fate::alive;
}

void end_later(Context& c, std::uint32_t index, Reason reason, bool reset) {
  Tcb& tcb = c.tcbs[index];
  const auto bits = static_cast<unsigned>(reason) | (reset ? unsigned{ending_reset} : 0u);
  tcb.ending = bits & 0x3fu;
  clear_timer(tcb);
  c.queue_output(index);
}

namespace {

void challenge(Context& c, std::uint32_t index) {
  if (!c.may_answer(index, Answer::challenge)) return;
  ++c.counters.challenge_acks;
  c.tcbs[index].set(Flag::ack_pending);
  c.queue_output(index);
}

void want_fin(Context& c, std::uint32_t index) {
  Tcb& tcb = c.tcbs[index];
  tcb.set(Flag::fin_wanted);
  tcb.clear(Flag::write_blocked);
  c.queue_output(index);
}

// The segments that a cell asks for. All but a reset and the ACK on the way into TIME_WAIT, whose
// TCB may be gone afterwards, leave with the output queue.
void send(Context& c, std::uint32_t index, unsigned acts, const Cause& cause) {
  Tcb& tcb = c.tcbs[index];
  if ((acts & Act::send_rst) != 0) {
    cause.segment != nullptr ? reply_reset(c, *cause.segment, *cause.frame)
                             : output_reset(c, index);
  }
  if ((acts & Act::send_syn_ack) != 0) {
    // The peer's SYN came again, or crossed ours: unless ours still waits, it leaves once more.
    if (!tcb.has(Flag::emit_syn)) tcb.set(Flag::emit_syn | Flag::syn_again);
    c.queue_output(index);
  }
  if ((acts & Act::send_fin) != 0) want_fin(c, index);
  if ((acts & Act::send_challenge) != 0) challenge(c, index);
  if ((acts & Act::send_ack) == 0) return;
  if ((acts & Act::arm_2msl) != 0) return output_ack(c, index);
  tcb.set(Flag::ack_pending);
  c.queue_output(index);
}

// The handshake is complete: only now has the peer a place in the table of neighbours. False if
// that is full of stations in use.
bool settle_next_hop(Context& c, Tcb& tcb) {
  ip::Neighbours& neighbours = c.interfaces.neighbours();
  if (!neighbours.is_link(tcb.neighbour)) return true;
  const Address remote = remote_address(tcb.key, whole_addresses(c, tcb));
  const auto route = c.interfaces.route_back(remote, neighbours.port(tcb.neighbour));
  if (!route) return false;
  const std::uint16_t hop = c.interfaces.settle(*route, remote, tcb.syn_mac(), c.clock.now);
  if (hop == ip::Neighbours::none) return false;
  neighbours.release(tcb.neighbour);
  neighbours.hold(hop);
  tcb.neighbour = hop;
  tcb.user = 0;
  return true;
}

// Nobody has been told of it yet but its peer.
Fate refuse_accepted(Context& c, std::uint32_t index) {
  c.count_drop(Drop::neighbour_table_full);
  output_reset(c, index);
  c.tcbs[index].set(Flag::closed_reported);
  release(c, index, Reason::none);
  return Fate::gone;
}

// The new state, and what every transition shares: count, report, arm 2MSL, release.
[[gnu::always_inline]] inline Fate move(Context& c, std::uint32_t index, State to, unsigned acts,
                                        unsigned what, Reason reason) {
  Tcb& tcb = c.tcbs[index];
  if ((acts & Act::established) != 0) {
    if (tcb.has(Flag::passive)) {
      if (!settle_next_hop(c, tcb)) [[unlikely]]
        return refuse_accepted(c, index);
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
    StateWriter::move(c, tcb, to);
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

}  // namespace

namespace {
// Does a cell ask for segments that apply_event() itself sends?
bool asks_for_segments(unsigned acts) {
  constexpr unsigned segments =
      Act::send_rst | Act::send_syn_ack | Act::send_fin | Act::send_challenge | Act::send_ack;
  return (acts & segments) != 0 && (acts & Act::retransmit) == 0;
}
}  // namespace

Applied apply_event(Context& c, std::uint32_t index, StateEvent event, const Cause& cause) {
  const State from = c.tcbs[index].state;
  const Cell& cell = raise(from, event);
  const Reason reason = cause.reason != Reason::none ? cause.reason : reason_for(from, event);
  if (asks_for_segments(cell.acts)) send(c, index, cell.acts, cause);
  return {cell.acts, move(c, index, cell.to, cell.acts, cause.what, reason)};
}

unsigned apply_call(Context& c, std::uint32_t index, StateEvent event, Reason why) {
  Tcb& tcb = c.tcbs[index];
  const State from = tcb.state;
  const Cell& cell = raise(from, event);
  if (cell.to != from) StateWriter::move(c, tcb, cell.to);
  if ((cell.acts & Act::send_fin) != 0) want_fin(c, index);
  if ((cell.acts & Act::release) != 0) [[unlikely]] {
    const Reason reason = why != Reason::none ? why : reason_for(from, event);
    end_later(c, index, reason, (cell.acts & Act::send_rst) != 0);
  }
  return cell.acts;
}

Fate apply_fast(Context& c, std::uint32_t index, unsigned bits, unsigned what) {
  const FastCell cell = raise_fast(c.tcbs[index].state, bits);
  // The last ACK leaves before the TCB does.
  constexpr unsigned last_ack = Act::arm_2msl | Act::send_ack;
  if ((cell.acts & last_ack) == last_ack) output_ack(c, index);
  return move(c, index, cell.to, cell.acts, what, Reason::closed);
}

}  // namespace salut::tcp
