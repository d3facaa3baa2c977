// A segment of a connection: puts it together and hands it to the interface. output.hpp and
// sender.hpp decide what is sent and when; this is how.
#pragma once

#include "tcp/context.hpp"

namespace salut::tcp {

// What a segment of a connection has of its own; the rest follows from the TCB.
struct SegmentOut {
  std::uint32_t seq = 0;
  std::uint16_t wnd = 0;
  std::uint16_t payload_length = 0;
  std::uint8_t flags = 0;          // wire::TcpFlag
  std::uint8_t traffic_class = 0;  // ECN
};
// Puts it together in `frame`, whose payload is in its place, with timestamps if they are agreed;
// counts and sends it.
void emit_segment(Context& c, Tcb& tcb, Frame& frame, const SegmentOut& segment);

// Where an ACK without text lies. A probe of a shut window moved SND.NXT past what the peer takes,
// and it would not look at an ACK there.
inline Seq ack_seq(const Tcb& tcb) {
  const Seq edge = tcb.snd_una + tcb.snd_wnd;
  return edge < tcb.snd_nxt && !tcb.has(Flag::syn_unacked) ? edge : tcb.snd_nxt;
}

// A segment without payload and SYN.
void emit_control(Context& c, Tcb& tcb, Seq seq, std::uint8_t flags);

// SYN in SYN_SENT, SYN,ACK in the other states; starts the retransmission timer, unless it runs.
void output_syn(Context& c, std::uint32_t index);

// A bare ACK at once: before a TIME_WAIT record takes the TCB's place, or in the middle of a burst
// for a peer that counts ACKs.
void output_ack(Context& c, std::uint32_t index);

// RST of a connection that is being aborted.
void output_reset(Context& c, std::uint32_t index);

}  // namespace salut::tcp
