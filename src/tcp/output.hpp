// What leaves: the segments of connections that have something to send, and answers that belong
// to no connection.
//
// A transition marks the connection (ack_pending, emit_syn, …) and puts it in the output queue;
// flush_outputs() sends once per connection and turn, so that an ACK rides on data or FIN if the
// application produced any in the meantime. Two leave at once: a SYN,ACK, on which nothing can
// ride (if there is room on the way out), and the ACK on the way into TIME_WAIT, whose TCB is gone
// afterwards.
#pragma once

#include "tcp/context.hpp"
#include "wire/emit.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

// Works off the output queue, as far as a turn's budget (output_budget, output_budget_behind) and
// the room on the way out go. True: some had to wait for either.
bool flush_outputs(Context& c);

// Sends all that one connection may send now. May release it (a reset that was due).
void output(Context& c, std::uint32_t index);

// SYN in SYN_SENT, SYN,ACK in SYN_RECEIVED; starts the retransmission timer.
void output_syn(Context& c, std::uint32_t index);

// A bare ACK at once, for a connection that is about to become a TIME_WAIT record.
void output_ack(Context& c, std::uint32_t index);

// Of a burst everything is acknowledged at once. But a peer that starts slowly, or repairs a loss,
// lives of our ACKs and may have no more than a window out: were the only one for all of it lost,
// nothing would move before its timer. So it gets one for each two segments (RFC 9293 §3.8.6.3).
bool is_quick_ack_due(const Context& c, const Tcb& tcb);

// RST of a connection that is being aborted.
void output_reset(Context& c, std::uint32_t index);

// The window to offer now, as the header carries it. Moves RCV.ADV, so the segment must leave.
std::uint16_t offer_window(const Context& c, Tcb& tcb);

// The reader made room for two segments or half the buffer, and the peer saw less than half.
bool is_update_due(const Context& c, const Tcb& tcb);

// What a segment of a connection has of its own; the rest follows from the TCB.
struct SegmentOut {
  std::uint32_t seq = 0;
  std::uint16_t wnd = 0;
  std::uint16_t payload_length = 0;
  std::uint8_t flags = 0;          // wire::TcpFlag
  std::uint8_t traffic_class = 0;  // ECN
  std::span<const std::byte> options;
};
// Puts it together in `frame`, whose payload is in its place; counts and sends it.
void emit_segment(Context& c, Tcb& tcb, Frame& frame, const SegmentOut& segment);

// A segment without payload and SYN.
void emit_control(Context& c, Tcb& tcb, Seq seq, std::uint8_t flags);

// Answers a received segment without a TCB, to the station that sent it.
void reply(Context& c, const wire::Segment& segment, const Frame& received, Seq seq, Seq ack,
           std::uint8_t flags, std::uint16_t wnd, std::span<const std::byte> options = {});

// The RST of RFC 9293 §3.10.7.1: SEQ from the ACK, or SEQ 0 and ACK = SEG.SEQ + SEG.LEN.
void reply_reset(Context& c, const wire::Segment& segment, const Frame& received);

// Where the bytes in the send buffer begin and end.
inline Seq data_start(const Tcb& tcb) {
  return tcb.snd_una + (tcb.has(Flag::syn_unacked) ? 1u : 0u);
}
inline Seq data_end(const Tcb& tcb) {
  return data_start(tcb) + (tcb.has(Flag::data_ready) ? tcb.send.bytes : 0u);
}

// Might output() have something to send?
inline bool has_output(const Tcb& tcb) {
  return tcb.has(Flag::ack_pending | Flag::ack_delayed | Flag::rewound) ||
         (tcb.has(Flag::data_ready) && tcb.send.bytes > 0) ||
         (tcb.has(Flag::fin_wanted) && !tcb.has(Flag::fin_sent));
}

}  // namespace salut::tcp
