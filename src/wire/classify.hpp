// Which worker a received frame is for, before anybody parses it: that of its flow, all of them, or
// whoever has it.
//
// A flow is a TCP segment's, or that of the segment which an ICMP error quotes (RFC 792, RFC 4443):
// there the ends are the other way round, since it was ours. What teaches an address of a link
// (ARP, neighbour discovery) is for every worker, each of which has a table of neighbours; one
// answers. Everything else, garbage and fragments too, is for whoever has
// it: parse() says there what is wrong.
//
// Nothing is believed: every length is checked before what it promises is read; checksums are
// not looked at, since a wrong guess only chooses who drops the frame.
//
// Threads: any. Cost: one line of the frame; two for IPv6.
#pragma once

#include <cstdint>

#include "flow/steering.hpp"
#include "salut/frame.hpp"

namespace salut::wire {

enum class Recipient : std::uint8_t {
  flow,      // `ends` says whose; a card that hashes TCP has seen the same
  odd_flow,  // `ends` says whose; a card may have seen something else, or nothing
  everyone,
  here,
};

// A VLAN tag, any, may stand before the packet.
Recipient classify(const Frame& frame, flow::Ends& ends);

}  // namespace salut::wire
