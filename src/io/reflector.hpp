// A wire with a mirror at its end: what is sent comes back with MACs, addresses and ports swapped.
//
// A stack on it is its own peer. Its SYN comes back as that of the station it connects to, which is
// a simultaneous open (RFC 9293 section 3.5, figure 7), and its FIN as a simultaneous close
// (section 3.6): the two fast_table of the state machine that no client and server ever take
// together. dpdk-testpmd --forward-mode=5tswap does the same to a device; this needs none.
//
// A frame is turned round where it lies (wire/reflect.hpp) and crosses as a description of 24
// bytes, as over a LoopPort. Full, it takes fewer frames than offered and loses none.
//
// Threads: one worker's lcore; drain() when it has stopped.
#pragma once

#include "io/loop_port.hpp"

namespace salut::io {

class Reflector final : public Device {
 public:
  explicit Reflector(std::size_t frames) : Reflector(LoopPort::make_wire(frames)) {}

  unsigned receive(Frame* frames, unsigned count) override { return end_.receive(frames, count); }
  unsigned transmit(const Frame* frames, unsigned count) override;

  void drain(FramePool& pool) { end_.drain(pool); }

 private:
  explicit Reflector(const std::shared_ptr<LoopPort::Wire>& wire) : wire_(wire), end_(wire, wire) {}

  std::shared_ptr<LoopPort::Wire> wire_;
  LoopPort end_;
};

}  // namespace salut::io
