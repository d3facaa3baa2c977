// Which worker is a received frame for? For the worker of its flow, for all workers, or for the one
// that received it. parse() has not seen the frame yet.
//
// A TCP segment has a flow. So has an ICMP error (RFC 792, RFC 4443): the flow of the segment that
// it quotes, with the ends swapped, because we sent that segment. ARP and neighbour discovery are
// for every worker, because each has a neighbour table of its own; one of them answers. Everything
// else, garbage and fragments too, stays with the worker that received it: its parse() says what is
// wrong.
//
// No length is trusted: each is checked before the bytes that it promises are read. Checksums are
// not verified, because a wrong frame is dropped by whatever worker gets it.
//
// Threads: any. Cost: one line of the frame; two for IPv6.
#pragma once

#include <cstdint>

#include "flow/steering.hpp"
#include "salut/frame.hpp"

namespace salut::wire {

enum class Recipient : std::uint8_t {
  flow,      // the worker of `ends`; a card that hashes TCP has found the same ends
  odd_flow,  // the worker of `ends`; a card may have found other ends, or none
  everyone,  // all workers
  here,      // the worker that received it
};

// Sets `ends` if the result is flow or odd_flow. The frame may have one VLAN tag, with any ID.
Recipient classify(const Frame& frame, flow::Ends& ends);

}  // namespace salut::wire
