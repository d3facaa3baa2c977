// A port that behaves like a bad link: it loses, repeats, corrupts and delays frames, both ways,
// as PortConfig::impair says. It wraps any other device; a port without `impair` is not wrapped.
//
// One seed decides: the same thing happens to frame n of a direction in every run with that seed,
// because each frame draws the same count of random words whatever the shares are. When a delayed
// frame leaves, and which frames overtake it, depends on time.
//
// The port owns the frames that it delays, in a ring of fixed size. A full ring is back-pressure
// and no loss: the port asks the device for fewer frames, and the stack keeps what it could not
// send. The destructor sends the frames that were on their way out, without further delay, and
// gives all others back to the pool.
//
// Threads: receive() and transmit() on the worker's lcore; in() and out() anywhere, off by a few
// frames there; the destructor when no worker runs. The worker calls receive() every turn, so
// receive() also sends the outgoing frames that became due. Cost: some 20 ns per frame, and the
// copy of a repeated one.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "salut/config.hpp"
#include "salut/counters.hpp"
#include "salut/frame.hpp"

namespace salut::io {

// What happens to the frames of one direction.
class ImpairedLane {
 public:
  // `ticks_per_s`: of the `now` that the calls take. `held_max`: frames that may wait in each ring.
  ImpairedLane(const ImpairConfig& config, std::uint64_t seed, FramePool& pool, double ticks_per_s,
               std::uint32_t held_max);
  ~ImpairedLane();
  ImpairedLane(const ImpairedLane&) = delete;

  // How many more frames fit, each with its duplicate.
  unsigned room() const {
    return static_cast<unsigned>(std::min<std::size_t>(straight_.room() / 2, late_.room()));
  }
  // Takes a frame. REQUIRES: room() > 0.
  void admit(Frame frame, std::uint64_t now);
  // Up to `count` frames that are due, in the order in which they became so.
  unsigned take(Frame* frames, unsigned count, std::uint64_t now);

  Impaired counts() const;

 private:
  struct Held {
    Frame frame;
    std::uint64_t due = 0;
  };

  // First in, first out: all frames of a ring wait for the same time.
  class Ring {
   public:
    explicit Ring(std::uint32_t capacity) : held_(capacity) {}
    std::size_t room() const { return held_.size() - count_; }
    bool empty() const { return count_ == 0; }
    const Held& front() const { return held_[first_]; }
    void push(const Frame& frame, std::uint64_t due) {
      held_[(first_ + count_++) % held_.size()] = {frame, due};
    }
    Frame pop() {
      const Frame frame = held_[first_].frame;
      first_ = (first_ + 1) % held_.size();
      --count_;
      return frame;
    }

   private:
    std::vector<Held> held_;
    std::size_t first_ = 0;
    std::size_t count_ = 0;
  };

  bool chance(double share);
  void corrupt(Frame& frame, std::uint64_t random);
  void repeat(const Frame& frame, std::uint64_t due);

  ImpairConfig config_;
  FramePool& pool_;
  std::uint64_t random_;
  std::uint64_t delay_;   // ticks
  std::uint64_t behind_;  // ticks: the extra delay of a reordered frame
  Ring straight_;
  Ring late_;

  // One writer. Relaxed, because the numbers are only for reports.
  struct Counts {
    std::atomic<std::uint64_t> frames = 0;
    std::atomic<std::uint64_t> dropped = 0;
    std::atomic<std::uint64_t> duplicated = 0;
    std::atomic<std::uint64_t> reordered = 0;
    std::atomic<std::uint64_t> corrupted = 0;
  };
  static void add(std::atomic<std::uint64_t>& count) {
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  Counts counts_;
};

class ImpairedPort final : public Device {
 public:
  using Now = std::uint64_t (*)();  // ticks

  // `salt`: makes ports with one seed differ. `device` and `pool` must outlive this.
  ImpairedPort(Device& device, FramePool& pool, const ImpairConfig& config, std::uint64_t salt,
               std::uint32_t held_max, Now now, double ticks_per_s);
  ~ImpairedPort() override;

  unsigned receive(Frame* frames, unsigned count) override;
  unsigned transmit(const Frame* frames, unsigned count) override;

  Impaired in() const { return in_.counts(); }
  Impaired out() const { return out_.counts(); }

 private:
  static constexpr unsigned burst = 64;

  void send_due(std::uint64_t now);

  Device& device_;
  FramePool& pool_;
  Now now_;
  ImpairedLane in_;
  ImpairedLane out_;
  std::array<Frame, burst> leaving_ = {};  // due, and next for the device
  unsigned leaving_count_ = 0;
};

}  // namespace salut::io
