// The embedded wire: two ports of one process joined by two queues, without any device.
//
// A frame crosses as a description of 24 bytes: its bytes and its mbuf are not touched, so that a
// measurement over this wire measures the stack and nothing else. The buffer changes its owner; its
// last owner gives it back to the pool that all workers share.
//
// Threads: each direction has one producer and one consumer, which may be one thread. Cost: one
// atomic store per burst and side. A full wire takes fewer frames than offered and loses none.
#pragma once

#include <boost/lockfree/spsc_queue.hpp>
#include <memory>

#include "salut/frame.hpp"

namespace salut::io {

class LoopPort final : public Device {
 public:
  using Wire = boost::lockfree::spsc_queue<Frame>;

  LoopPort(std::shared_ptr<Wire> out, std::shared_ptr<Wire> in)
      : out_(std::move(out)), in_(std::move(in)) {}

  static std::shared_ptr<Wire> make_wire(std::size_t frames) {
    return std::make_shared<Wire>(frames);
  }

  unsigned receive(Frame* frames, unsigned count) override;
  unsigned transmit(const Frame* frames, unsigned count) override;

  // Releases the frames that are under way to this end. REQUIRES: both workers have stopped.
  void drain(FramePool& pool);

 private:
  std::shared_ptr<Wire> out_;
  std::shared_ptr<Wire> in_;
};

}  // namespace salut::io
