// A wire that reflects: every frame comes back to its sender with MACs, addresses and ports
// swapped.
//
// A stack on it is its own peer. Its SYN comes back as a SYN of the station that it connects to: a
// simultaneous open (RFC 9293 section 3.5, figure 7). Its FIN comes back as a simultaneous close
// (section 3.6). A client and a server rarely take these two paths through the state machine.
// dpdk-testpmd --forward-mode=5tswap does the same to the frames of a device; this needs no device.
//
// The reflector swaps the fields of a frame in place (wire/reflect.hpp) and passes it on as a
// description of 8 bytes, as a LoopPort does. A full wire takes fewer frames than offered and
// loses none.
//
// Threads: one worker's lcore; drain() when it has stopped.
#pragma once

#include "io/loop_port.hpp"

namespace salut::io {

class Reflector final : public Device {
 public:
  Reflector(std::size_t frames, std::uint32_t extent)
      : Reflector(LoopPort::make_wire(frames, extent)) {}

  unsigned receive(Frame* frames, unsigned count) override { return end_.receive(frames, count); }
  unsigned transmit(const Frame* frames, unsigned count) override;

  void drain(FramePool& pool) { end_.drain(pool); }

 private:
  explicit Reflector(const std::shared_ptr<LoopPort::Wire>& wire) : wire_(wire), end_(wire, wire) {}

  std::shared_ptr<LoopPort::Wire> wire_;
  LoopPort end_;
};

}  // namespace salut::io
