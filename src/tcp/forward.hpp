// A second chance for a segment without a connection: the instance beside us may have it.
//
// Only for addresses that siblings share (a port's ranges), never for those that are ours alone;
// only where there are siblings (ip/siblings.hpp). The frame itself goes on, hop by hop as a
// router would send it (RFC 1812 §5.3.1: TTL one less, header checksum updated by RFC 1624), with
// other MACs: who it is for answers the peer directly, by a way of its own. The TTL is lowered to
// as many hops as we have siblings alive: instances that do not know of each other, or in another
// order, would else send one segment round 255 times.
//
// What is handed on: whatever is not the first SYN of a connection, RST and FIN included. A SYN is
// for whoever gets it, unless he is draining. A cookie that is good here is ours.
#pragma once

#include "tcp/context.hpp"
#include "wire/segment.hpp"

namespace salut::tcp {

// True: the port has it (Counters::forwarded), and may yet drop it for want of room. False: nobody
// to hand it to, answer it as usual. REQUIRES: `local`, its destination, is one of our addresses.
bool forward(Context& c, const wire::Segment& segment, const Frame& frame, const Address& local);

// Did a sibling hand it to us? Then its source MAC is not the way to its sender.
bool is_forwarded(const Context& c, const Frame& frame);

}  // namespace salut::tcp
