// Header prediction (Van Jacobson): the short way of what both sides expect next, which is nearly
// all that an exchange without a loss consists of.
//
// In: is_predicted() says what that is, once. The segment is in order and acknowledges all that was
// sent; its connection is synchronized, and nothing of it is special. Key and SEG.SEQ lie in a
// wire::Segment as key and RCV.NXT do in a TCB: two compares of eight bytes. accept_predicted()
// does for it what input_segment() would. Out: send_single() sends what fits one segment while
// nothing is in flight, a request, an answer, a FIN, as send_data() would.
//
// Each of them says false, and has done nothing, where something is not as expected. The long way
// would give the same answer for what stays here (tests/unit/tcp/fast_path_test.cpp,
// tests/unit/tcp/predicted_test.cpp).
#pragma once

#include <cstddef>

#include "tcp/context.hpp"
#include "tcp/timestamps.hpp"
#include "tcp/transitions.hpp"
#include "wire/headers.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

// The addresses of IPv6 are folded in the key. REQUIRES, of a segment with ip6: the caller compares
// the whole ones.
inline bool is_predicted(const Tcb& t, const wire::Segment& s) {
  using enum State;
  constexpr std::uint32_t states =
      in(syn_received, established, fin_wait_1, fin_wait_2, close_wait, closing, last_ack);
  constexpr unsigned special =
      Flag::ecn | Flag::gaps | Flag::rewound | Flag::finished | Flag::probe | Flag::write_blocked;
  static_assert(offsetof(Tcb, rcv_nxt) == sizeof(Key) &&
                offsetof(wire::Segment, seq) == sizeof(Key));
  const auto word = [](const auto& at, std::size_t offset) {
    return wire::load<std::uint64_t>(reinterpret_cast<const std::byte*>(&at) + offset);
  };
  const std::uint32_t payload = s.payload_length;
  const std::uint32_t fin = s.flags & wire::fin;
  bool off = ((word(t, 0) ^ word(s, 0)) | (word(t, 8) ^ word(s, 8))) != 0;
  off |= t.snd_nxt.value != s.ack;
  off |= (s.flags & ~(wire::fin | wire::psh)) != wire::ack;
  off |= (states >> t.state.index() & 1) == 0;
  off |= (t.flags & special) != 0;
  off |= s.wnd == 0;
  off |= s.sack_count != 0;
  off |= ((payload | fin) != 0) & t.has(Flag::fin_received);
  off |= (payload != 0) & t.has(Flag::user_closed);
  off |= payload + fin > t.rcv_wnd();
  off |= s.ip6 != t.has(Flag::ip6);
  off |= t.has(Flag::timestamps) &
         ((s.options != wire::option_has_timestamps) | is_older_stamp(s.tsval, t.ts_recent));
  return !off;
}

// REQUIRES: is_predicted().
bool accept_predicted(Context& c, std::uint32_t index, const wire::Segment& segment,
                      const Frame& frame);

// The SYN,ACK that an active open waits for, with all the options that its SYN offered.
bool accept_usual_syn_ack(Context& c, std::uint32_t index, const wire::Segment& segment);

// What the ACK of our SYN says beside its number.
void syn_acknowledged(Context& c, Tcb& tcb, const wire::Segment& segment);

// REQUIRES: Flag::data_ready, a state that may send.
bool send_single(Context& c, std::uint32_t index);

}  // namespace salut::tcp
