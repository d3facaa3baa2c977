// The embedded wire: two ports of one process joined by two queues, without any device.
//
// A frame crosses as a description of 8 bytes: its bytes and its mbuf are not touched, so that a
// measurement over this wire measures the stack and nothing else. The buffer changes its owner; its
// last owner gives it back to the pool that all workers share. Only the queue's cache
// lines go from core to core, so that the size of a description is the price: 40 to 47 cycles for a
// packet and its answer, against 80 to 91 with a whole Frame of 24 bytes.
//
// Threads: each direction has one producer and one consumer, which may be one thread. Cost: one
// atomic store per burst and side. A full wire takes fewer frames than offered and loses none.
#pragma once

#include <boost/lockfree/spsc_queue.hpp>
#include <cstdint>
#include <memory>

#include "salut/frame.hpp"

namespace salut::io {

class LoopPort final : public Device {
 public:
  // One direction. `extent`: bytes from a frame's handle to the end of its buffer, the same for all
  // frames of the pool; a handle is a multiple of 64, as an mbuf's address is.
  class Wire {
   public:
    Wire(std::size_t frames, std::uint32_t extent) : words_(frames), extent_(extent) {}

    unsigned push(const Frame* frames, unsigned count);
    unsigned pop(Frame* frames, unsigned count);
    std::size_t write_available() const { return words_.write_available(); }

   private:
    boost::lockfree::spsc_queue<std::uint64_t> words_;
    std::uint32_t extent_;
  };

  LoopPort(std::shared_ptr<Wire> out, std::shared_ptr<Wire> in)
      : out_(std::move(out)), in_(std::move(in)) {}

  static std::shared_ptr<Wire> make_wire(std::size_t frames, std::uint32_t extent) {
    return std::make_shared<Wire>(frames, extent);
  }

  unsigned receive(Frame* frames, unsigned count) override { return in_->pop(frames, count); }
  unsigned transmit(const Frame* frames, unsigned count) override {
    return out_->push(frames, count);
  }

  // Releases the frames that are under way to this end. REQUIRES: both workers have stopped.
  void drain(FramePool& pool);

 private:
  std::shared_ptr<Wire> out_;
  std::shared_ptr<Wire> in_;
};

}  // namespace salut::io
