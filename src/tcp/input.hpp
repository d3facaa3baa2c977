// A burst of frames comes in: the straight road of every segment.
//
// input() takes the whole burst through four stages, each of which prefetches for the next: parse
// and hash (the bucket), match tags (the TCB), process. What opening and closing consist of, ACKs
// and FINs in order and bytes in order, is decided by arithmetic and one load from road_step();
// the list of exits below sends everything else to input_slow(), which walks §3.10.7 step by step
// and would give the same answer for what stays on the road (tests/unit/tcp/road_test.cpp).
#pragma once

#include "tcp/context.hpp"
#include "tcp/transitions.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

// Takes the frames, one at least and all of the same port: each is recycled, reused or handed on
// when the call returns.
void input(Context& c, Frame* frames, unsigned count);

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

// SYN on a listener: a child in SYN_RECEIVED. `beyond`: the ISS must lie after it (RFC 1122
// §4.2.2.13); null for a tuple without a past. False: there was no room, and the drop is counted.
bool open_passive(Context& c, std::uint16_t listener, const wire::Segment& segment,
                  const Frame& frame, const Seq* beyond);

// RFC 9293 §3.10.7.4, fifth check: a segment that is not older than the last one that set SND.WND.
// Before data all segments have the same sequence, but for a FIN's.
inline bool is_newest(const Tcb& t, const wire::Segment& s) {
  const Seq seq{s.seq};
  if (!t.has(Flag::data_ready)) return seq >= t.rcv_nxt || seq + s.len() == t.rcv_nxt;
  return t.snd_wl1 < seq || (t.snd_wl1 == seq && t.snd_wl2 <= Seq{s.ack});
}

// What an ACK in [SND.UNA, SND.NXT] does to the sender's side; returns the road bits it raises.
// `update_wnd`: is_newest() of the segment.
unsigned accept_ack(Context& c, std::uint32_t index, const wire::Segment& segment,
                    const Frame& frame, bool update_wnd);

// The sixth to eighth check of §3.10.7.4: text and FIN of an acceptable segment, in order or kept.
void accept_text_and_fin(Context& c, std::uint32_t index, const wire::Segment& segment,
                         const Frame& frame);

// Takes payload that begins at RCV.NXT; how many bytes of it went into the receive buffer.
std::uint32_t accept_payload(Context& c, Tcb& tcb, const Frame& frame,
                             std::span<const std::byte> payload);

// Sends what a validated event's cell asks for and moves the state; true if the TCB is still there.
bool raise_event(Context& c, std::uint32_t index, Event event, const wire::Segment& segment,
                 const Frame& frame, unsigned what = 0);

}  // namespace salut::tcp
