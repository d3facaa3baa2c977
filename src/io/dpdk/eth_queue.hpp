// One receive and one transmit queue of a port of DPDK.
//
// Every frame that receive() returns is one mbuf segment of the process's own pool, and unshared. A
// frame that is not is copied, or cut to its first segment and flagged `scattered`. So all code
// behind receive() may overwrite, send or free a frame without a look at its mbuf.
//
// While a device is made again, because its peer came back, no lcore may use it: pause() asks the
// lcore to keep off, and at_rest() says whether it does.
//
// Threads: one lcore; pause(), at_rest() and resume() the control thread. Cost: one rx or tx burst,
// and per frame one line of the mbuf.
#pragma once

#include <atomic>
#include <cstdint>

#include "io/dpdk/large_segments.hpp"
#include "io/dpdk/mempool.hpp"
#include "io/interrupt.hpp"
#include "salut/frame.hpp"

struct rte_mbuf;

namespace salut::io {

class EthQueue final : public Device, public Interrupt {
 public:
  EthQueue(MbufPool& pool, std::uint16_t port, std::uint16_t queue, const LargeSegmentLimits& large)
      : pool_(pool), port_(port), queue_(queue), large_(large) {}

  unsigned receive(Frame* frames, unsigned count) override;
  unsigned transmit(const Frame* frames, unsigned count) override;

  // Of a started device that was configured for interrupts. `readable`: its descriptor is the queue
  // itself, readable while frames wait, and needs no arming (a TAP's).
  void find_interrupt(bool readable);
  int fd() const override { return interrupt_fd_; }
  bool arm() override;
  void disarm() override;
  bool broken() const override { return broken_; }

  // While paused, receive() and transmit() do nothing. Each pause has a number of its own, so that
  // the lcore's answer to an earlier one does not count.
  void pause() { paused_.store(++pauses_, std::memory_order_release); }
  bool at_rest() const { return rests_.load(std::memory_order_acquire) == pauses_; }
  // Attaches the queue to a device that was made again. REQUIRES: at_rest().
  void attach(std::uint16_t port, const LargeSegmentLimits& large) {
    port_ = port;
    large_ = large;
  }
  void resume() { paused_.store(0, std::memory_order_release); }

 private:
  bool rests() {
    const std::uint32_t pause = paused_.load(std::memory_order_acquire);
    if (pause == 0) [[likely]]
      return false;
    rests_.store(pause, std::memory_order_release);
    return true;
  }
  bool make_ordinary(rte_mbuf*& mbuf, Frame& frame);
  unsigned transmit_large(const Frame* frames, unsigned count);
  bool prepare(LargeSegments& large, unsigned packets);

  MbufPool& pool_;
  std::uint16_t port_;  // DPDK's number
  std::uint16_t queue_;
  int interrupt_fd_ = -1;
  bool needs_arming_ = false;
  bool broken_ = false;
  LargeSegmentLimits large_;
  std::atomic<std::uint32_t> paused_{0};  // the pause's number; 0: none
  std::atomic<std::uint32_t> rests_{0};   // the last pause that the lcore has seen
  std::uint32_t pauses_ = 0;
};

}  // namespace salut::io
