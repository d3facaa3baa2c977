// A burst of frames comes in: the fast path of every segment.
//
// input() takes the whole burst through four stages, each of which prefetches for the next: parse
// and hash (the bucket), match tags (the TCB), look at the TCB (the Stream), process. What opening
// and closing consist of, ACKs and FINs in order and bytes in order, is decided by arithmetic and
// one load from fast_step(); the list of exits in leaves_fast_path() sends everything else to
// input_slow(), which walks §3.10.7 step by step and would give the same answer for what stays on
// the fast path (tests/unit/tcp/fast_path_test.cpp). What is_predicted() says, and the usual
// SYN,ACK, take a shorter way still.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "tcp/context.hpp"
#include "tcp/timestamps.hpp"
#include "tcp/transitions.hpp"
#include "wire/headers.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

// What input() knows of a burst while it works on it. The caller keeps it from turn to turn, so
// that nothing has to be cleared.
struct ReceiveBurst {
  std::array<wire::Segment, burst> segments;
  std::array<std::uint32_t, burst> candidates;  // entries of the flow table, unverified
};

// Takes the frames, one at least and all of the same port: each is recycled, reused or forwarded
// when the call returns.
void input(Context& c, ReceiveBurst& received, Frame* frames, unsigned count);

// CE on the packet, or ECE or CWR from the peer (RFC 3168).
inline bool ecn_speaks(const wire::Segment& s) {
  return ((s.traffic_class & 3) == 3) | ((s.flags & (wire::ece | wire::cwr)) != 0);
}

// One parsed segment on a connection of its own; `index` may be gone afterwards.
void input_segment(Context& c, std::uint32_t index, const wire::Segment& segment,
                   const Frame& frame);

// RFC 9293 §3.10.7.3 and §3.10.7.4, every check in order.
void input_slow(Context& c, std::uint32_t index, const wire::Segment& segment, const Frame& frame);

// No connection has this key: a listener's business, or RST (§3.10.7.1, §3.10.7.2).
void input_unmatched(Context& c, const wire::Segment& segment, const Frame& frame);

// The key is that of a record in the TIME_WAIT arena.
void input_time_wait(Context& c, std::uint32_t record, const wire::Segment& segment,
                     const Frame& frame);

// A TCB that waits for 2MSL itself (its reader is not done, or the arena is full).
void input_time_wait_tcb(Context& c, std::uint32_t index, const wire::Segment& segment,
                         const Frame& frame);

// SYN on a listener: a child in the state that the cell `opening` names. `beyond`: the ISS must lie
// after it (RFC 1122 §4.2.2.13); null for a tuple without a past. False: there was no room, and the
// drop is counted.
bool open_passive(Context& c, std::uint16_t listener, const wire::Segment& segment,
                  const Frame& frame, const Cell& opening, const Seq* beyond);

// RFC 9293 §3.10.7.4, fifth check: a segment that is not older than the last one that set SND.WND.
// Before data all segments have the same sequence, but for a FIN's.
inline bool is_newest(const Tcb& t, const wire::Segment& s) {
  const Seq seq{s.seq};
  if (!t.has(Flag::data_ready)) return seq >= t.rcv_nxt || seq + s.len() == t.rcv_nxt;
  return t.snd_wl1 < seq || (t.snd_wl1 == seq && t.snd_wl2 <= Seq{s.ack});
}

// The list of exits from the fast path, one condition a line. Without a branch, as is ack_bits():
// no mix of segments and states is mispredicted here (tests/bench/transition_budget).
inline bool leaves_fast_path(const Tcb& t, const wire::Segment& s) {
  using enum State;
  // Synchronized and not yet over, or one ACK before.
  constexpr std::uint32_t on_fast_path =
      in(syn_received, established, fin_wait_1, fin_wait_2, close_wait, closing, last_ack);
  const std::uint32_t payload = s.payload_length;
  const std::uint32_t fin = s.flags & wire::fin;
  const std::uint32_t acked = Seq{s.ack} - t.snd_una;
  const bool sends = (payload | fin) != 0;
  bool off = (s.flags & (wire::syn | wire::rst | wire::ack | wire::urg)) != wire::ack;
  off |= (on_fast_path >> t.state.index() & 1) == 0;
  off |= Seq{s.seq} != t.rcv_nxt;
  off |= payload + fin > t.rcv_wnd();
  off |= acked > t.snd_nxt - t.snd_una;              // not yet sent, or old
  off |= (acked == 0) & t.has(Flag::syn_unacked);    // must acknowledge our SYN
  off |= sends & t.has(Flag::fin_received);          // nothing follows a FIN
  off |= (payload != 0) & t.has(Flag::user_closed);  // nobody will read it
  off |= t.has(Flag::ecn) & ecn_speaks(s);
  off |= t.has(Flag::gaps);  // this one may fill the first
  return off;
}

// Header prediction (Van Jacobson): what both sides expect next, which is nearly all that an
// exchange without a loss consists of. The segment is in order and acknowledges all that was sent;
// its connection is synchronized, and nothing of it is special. Key and SEG.SEQ lie in a
// wire::Segment as key and RCV.NXT do in a TCB: two compares of eight bytes.
//
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

// Each does for its segment what input_segment() would, or says false, and has done nothing, where
// something is not as expected: one that is_predicted(), and the SYN,ACK that an active open waits
// for, with all the options that its SYN offered.
bool accept_predicted(Context& c, std::uint32_t index, const wire::Segment& segment,
                      const Frame& frame);
bool accept_usual_syn_ack(Context& c, std::uint32_t index, const wire::Segment& segment,
                          const Frame& frame);

// What the ACK of our SYN says beside its number.
void syn_acknowledged(Context& c, Tcb& tcb, const wire::Segment& segment);

// The fast path bits that an ACK in [SND.UNA, SND.NXT] raises.
inline unsigned ack_bits(const Tcb& t, Seq ack) {
  const bool moves = ack != t.snd_una;
  return (moves & t.has(Flag::syn_unacked)) * fast_ack_of_syn |
         (moves & (ack == t.snd_nxt) & t.has(Flag::fin_sent)) * fast_ack_of_fin;
}

// What an ACK in [SND.UNA, SND.NXT] does to the sender's side; returns the fast path bits it
// raises. `update_wnd`: is_newest() of the segment.
unsigned accept_ack(Context& c, std::uint32_t index, const wire::Segment& segment,
                    const Frame& frame, bool update_wnd);

// The sixth to eighth check of §3.10.7.4: text and FIN of an acceptable segment, in order or kept.
void accept_text_and_fin(Context& c, std::uint32_t index, const wire::Segment& segment,
                         const Frame& frame);

// Takes payload that begins at RCV.NXT; how many bytes of it went into the receive buffer.
std::uint32_t accept_payload(Context& c, Tcb& tcb, const Frame& frame,
                             std::span<const std::byte> payload);

}  // namespace salut::tcp
