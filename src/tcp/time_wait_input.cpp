// TIME_WAIT, RFC 9293 §3.10.7.4 with RFC 1337, RFC 1122 §4.2.2.13 and RFC 6191.
//
// A connection waits as a record in the arena, or as its TCB where that is not possible yet; what a
// segment means to it is one function for both.
#include "tcp/addresses.hpp"
#include "tcp/input.hpp"
#include "tcp/lifecycle.hpp"
#include "tcp/output.hpp"

namespace salut::tcp {
namespace {

// What is left of a connection in TIME_WAIT.
struct Rest {
  Seq snd_nxt;
  Seq rcv_nxt;
  std::uint32_t rcv_wnd;
};

Event event_of(const Rest& rest, const wire::Segment& s) {
  const Seq seq{s.seq};
  if ((s.flags & wire::rst) != 0) return Event::reset;
  if ((s.flags & wire::syn) != 0) {
    const bool newer = (s.flags & wire::ack) == 0 && seq > rest.rcv_nxt;
    return newer ? Event::syn : Event::syn_other;
  }
  const bool fin = (s.flags & wire::fin) != 0;
  if (fin && seq + s.len() == rest.rcv_nxt) return Event::fin_again;
  if (!acceptable(seq, s.len(), rest.rcv_nxt, rest.rcv_wnd)) return Event::outside;
  if ((s.flags & wire::ack) != 0 && Seq{s.ack} > rest.snd_nxt) return Event::ack_bad;
  return Event::other;
}

// The ACK that a cell asks for; whatever is not a FIN could be one of two sides that answer each
// other for ever, and is limited.
void answer(Context& c, const Rest& rest, const wire::Segment& s, const Frame& frame,
            const Cell& cell) {
  const bool challenge = (cell.acts & Act::send_challenge) != 0;
  const bool plain = (cell.acts & Act::send_ack) != 0;
  if (!challenge && !plain) return;
  const bool fin = (s.flags & wire::fin) != 0;
  if (!fin && !c.challenges.allow(c.tick)) return c.count_drop(Drop::tcp_challenge_limited);
  if (challenge) ++c.counters.challenge_acks;
  reply(c, s, frame, rest.snd_nxt, rest.rcv_nxt, wire::ack,
        static_cast<std::uint16_t>(rest.rcv_wnd));
}

// Of a listener that would take a newer SYN, or none.
std::uint16_t listener_for(const Context& c, const wire::Segment& s, const Frame& frame) {
  return c.listeners.find(local_address(s.key, whole_addresses(s, frame)), s.key.local_port);
}

void count(Context& c, Event event) {
  if (event == Event::reset) c.count_drop(Drop::tcp_bad_reset);
  if (event == Event::outside) c.count_drop(Drop::tcp_out_of_window);
  if (event == Event::ack_bad) c.count_drop(Drop::tcp_bad_ack);
  if (event == Event::syn_other) c.count_drop(Drop::tcp_unexpected_syn);
}

// RFC 1122 §4.2.2.13 (b): the new ISS lies beyond anything the old connection could have sent.
constexpr std::uint32_t old_window = 65'535;

}  // namespace

void input_time_wait(Context& c, std::uint32_t at, const wire::Segment& s, const Frame& frame) {
  const flow::Record record = c.time_wait[at];
  const Rest rest{Seq{record.snd_nxt}, Seq{record.rcv_nxt}, record.rcv_wnd};
  Event event = event_of(rest, s);
  const std::uint16_t listener = listener_for(c, s, frame);
  if (event == Event::syn && listener == flow::Listeners::none) event = Event::syn_other;
  const Cell& cell = step(State::time_wait, event);
  count(c, event);
  answer(c, rest, s, frame, cell);
  if ((cell.acts & Act::arm_2msl) != 0) {
    flow::Record fresh = record;
    fresh.deadline = timer::deadline(c.now, 2 * c.config.msl).value;
    const std::uint32_t to = c.time_wait.append(fresh);
    // A full arena keeps the old record: its time is not cut short, only not started again.
    if (to == flow::TimeWait::none) return;
    if (s.ip6) c.time_wait6[to] = c.time_wait6[at];
    c.flows.replace(s.hash, at | time_wait_bit, to | time_wait_bit);
    c.time_wait.kill(at);
  }
  if ((cell.acts & Act::new_child) != 0) {
    // The old connection makes room only for a new one: a full backlog does not cut 2MSL short.
    const Seq beyond = rest.snd_nxt + old_window;
    if (!open_passive(c, listener, s, frame, &beyond)) return;
    c.flows.erase(s.hash, at | time_wait_bit);
    c.time_wait.kill(at);
    --c.counters.states[static_cast<std::size_t>(State::time_wait)];
    ++c.counters.time_wait_reused;
  }
}

void input_time_wait_tcb(Context& c, std::uint32_t index, const wire::Segment& s,
                         const Frame& frame) {
  Tcb& t = c.tcbs[index];
  const Rest rest{t.snd_nxt, t.rcv_nxt, t.rcv_wnd()};
  Event event = event_of(rest, s);
  const std::uint16_t listener = listener_for(c, s, frame);
  // Unread bytes are still somebody's: only a connection that was told of its end makes room.
  const bool reusable = t.has(Flag::told) && listener != flow::Listeners::none;
  if (event == Event::syn && !reusable) event = Event::syn_other;
  const Cell& cell = step(State::time_wait, event);
  count(c, event);
  answer(c, rest, s, frame, cell);
  if ((cell.acts & Act::arm_2msl) != 0) set_timer(c, index, 2 * c.config.msl);
  if ((cell.acts & Act::new_child) != 0) {
    const Seq beyond = rest.snd_nxt + old_window;
    if (!open_passive(c, listener, s, frame, &beyond)) return;
    ++c.counters.time_wait_reused;
    release(c, index, Reason::closed);
  }
}

}  // namespace salut::tcp
