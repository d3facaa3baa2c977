// What the two contenders of bench/transition.cpp are given, from a seed: connections in random
// states with the segments that opening and closing bring them, and random cells of the table.
#pragma once

#include <cstring>
#include <random>
#include <vector>

#include "transition_switch.hpp"

namespace salut::bench {

// Invented connections only: in the stack, nobody but apply_event() can.
inline void put_state(tcp::Tcb& tcb, State state) {
  static_assert(sizeof(tcb.state) == sizeof(state));
  std::memcpy(static_cast<void*>(&tcb.state), &state, sizeof(state));
}

// A connection and a segment for it; a handshake or a close reads the TCB's first line only.
struct Meeting {
  tcp::Tcb tcb;
  wire::Segment segment;
};

struct Cell {
  State state;
  tcp::StateEvent event;
};

// In order, as most segments are: an ACK of nothing new, of our SYN or of our FIN, with or without
// the peer's FIN or some bytes, as far as the state allows. Sequences lie on both sides of the
// wrap.
inline Meeting meeting(std::mt19937_64& random) {
  using enum State;
  using tcp::Flag;
  constexpr State states[] = {syn_received, established, fin_wait_1, fin_wait_2,
                              close_wait,   closing,     last_ack};
  const auto coin = [&] { return (random() & 1) != 0; };
  Meeting m;
  tcp::Tcb& t = m.tcb;
  wire::Segment& s = m.segment;
  put_state(t, states[random() % std::size(states)]);
  const auto is = [&](auto... any) { return ((t.state == any) || ...); };
  t.snd_una = t.snd_nxt = Seq{static_cast<std::uint32_t>(random())};
  t.rcv_nxt = Seq{static_cast<std::uint32_t>(random())};
  t.rcv_adv = t.rcv_nxt + 65'535;
  if (coin()) t.set(Flag::passive);
  // Closed before the handshake was complete: SYN and FIN are both on their way.
  const bool early = is(fin_wait_1, closing) && random() % 4 == 0;
  if (is(syn_received) || early) {
    t.set(Flag::syn_unacked);
    t.snd_nxt += 1;
  }
  if (is(fin_wait_1, closing, last_ack)) {
    t.set(Flag::fin_wanted | Flag::user_closed);
    if (!early || coin()) {
      t.set(Flag::fin_sent);
      t.snd_nxt += 1;
    }
  }
  if (is(fin_wait_2)) t.set(Flag::fin_wanted | Flag::fin_sent | Flag::user_closed);
  if (is(close_wait, closing, last_ack)) t.set(Flag::fin_received);
  s.seq = t.rcv_nxt.value;
  const std::uint32_t in_flight = t.snd_nxt - t.snd_una;
  const std::uint32_t least = t.has(Flag::syn_unacked) ? 1 : 0;
  s.ack =
      (t.snd_una + (least + static_cast<std::uint32_t>(random() % (in_flight - least + 1)))).value;
  s.wnd = 65'535;
  s.flags = wire::ack;
  if (!t.has(Flag::fin_received) && coin()) s.flags |= wire::fin;
  if (is(syn_received, established) && random() % 4 == 0) s.payload_length = 64;
  return m;
}

inline std::vector<Meeting> meetings(std::uint64_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Meeting> all;
  all.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) all.push_back(meeting(random));
  return all;
}

inline std::vector<Cell> cells(std::uint64_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Cell> all(count);
  for (Cell& cell : all) {
    cell.state = static_cast<State>(random() % state_count);
    cell.event = static_cast<tcp::StateEvent>(random() % tcp::event_count);
  }
  return all;
}

// Ours, as input_segment() decides.
inline bool table_segment(const tcp::Tcb& t, const wire::Segment& s, Outcome& out) {
  if (tcp::leaves_fast_path(t, s)) [[unlikely]]
    return false;
  const unsigned bits = tcp::ack_bits(t, Seq{s.ack}) | ((s.flags & wire::fin) != 0) * tcp::fast_fin;
  const tcp::FastCell cell = tcp::fast_step(t.state, bits);
  out = Outcome{cell.to, cell.acts};
  return true;
}

inline Outcome table_step(State from, tcp::StateEvent event) {
  const tcp::Cell& cell = tcp::step(from, event);
  return Outcome{cell.to, cell.acts};
}

}  // namespace salut::bench
