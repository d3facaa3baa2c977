// Answers that belong to no connection: RST, SYN cookies, ACKs of TIME_WAIT records. They go back
// to the station that sent the segment, or the way that routes say if a sibling handed it on.
#pragma once

#include "tcp/context.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

// Answers a received segment without a TCB.
void reply(Context& c, const wire::Segment& segment, const Frame& received, Seq seq, Seq ack,
           std::uint8_t flags, std::uint16_t wnd, std::span<const std::byte> options = {});

// The RST of RFC 9293 §3.10.7.1: SEQ from the ACK, or SEQ 0 and ACK = SEG.SEQ + SEG.LEN.
void reply_reset(Context& c, const wire::Segment& segment, const Frame& received);

}  // namespace salut::tcp
