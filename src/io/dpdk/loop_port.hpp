// The embedded wire: two ports of one process joined by two queues, without any device.
//
// A frame crosses as 24 bytes of description: the bytes and the mbuf stay where they are and are
// not touched, so that what is measured over this wire is the stack and nothing else. The buffer
// changes its owner; whoever ends up with it gives it back to the pool that all workers share.
//
// Threads: each direction has one producer and one consumer, which may be one thread. Cost: one
// atomic store per burst and side. A full wire takes fewer frames than offered and loses none.
//
// Loss is an option, thrown for each frame once, where it arrives, from a seed; what is lost goes
// back to the pool and is counted.
#pragma once

#include <atomic>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstdint>
#include <memory>

#include "stack/device.hpp"

namespace salut::io {

class LoopPort final : public Device {
 public:
  using Wire = boost::lockfree::spsc_queue<Frame>;

  LoopPort(std::shared_ptr<Wire> out, std::shared_ptr<Wire> in)
      : out_(std::move(out)), in_(std::move(in)) {}

  static std::shared_ptr<Wire> make_wire(std::size_t frames) {
    return std::make_shared<Wire>(frames);
  }

  // From now on the share `loss` of what arrives here is lost.
  void lose(double loss, std::uint64_t seed, FramePool& pool);
  std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }  // any thread

  unsigned receive(Frame* frames, unsigned count) override;
  unsigned transmit(const Frame* frames, unsigned count) override;

  // Gives back what is still under way towards this end; both workers have stopped.
  void drain(FramePool& pool);

 private:
  unsigned survivors(Frame* frames, unsigned count);

  std::shared_ptr<Wire> out_;
  std::shared_ptr<Wire> in_;
  FramePool* pool_ = nullptr;    // none: nothing is lost
  std::uint64_t threshold_ = 0;  // of 2^32
  std::uint64_t dice_ = 0;
  std::atomic<std::uint64_t> lost_ = 0;
};

}  // namespace salut::io
