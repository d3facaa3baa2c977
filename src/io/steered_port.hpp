// Several workers on one port: each frame reaches the worker that its flow belongs to.
//
// A device that does RSS under our key and table puts each frame into the right queue, and nothing
// is left to do. But some devices accept the key and put everything into one queue. So RSS starts
// on probation: each worker computes for every frame where it belongs. When a worker has seen
// enough entries of the table to be right in its queue, it trusts RSS, and checks only one burst
// in 64. The first frame in a wrong queue ends the trust, for good and on all workers; they steer
// in software from then on. The worker of a flow never changes, only who computes it. A device that
// goes wrong after it was trusted misplaces frames until the next check.
//
// In software, a worker puts another worker's frame into the mailbox between the two: one ring for
// each pair, without a lock. The device may have fewer queues than the port has workers. A worker
// without a queue receives through mailboxes alone, and sends through a worker that has one.
//
// A frame from which a worker learns a neighbour's address goes to all workers, as a copy
// (wire/classify.hpp).
//
// Threads: SteeredPorts is made and destroyed on the control thread; each SteeredPort belongs to
// one lcore. Cost: where RSS is trusted, a look at each frame's prefetched headers; otherwise six
// to twelve loads more, and for a frame that changes workers 24 bytes through a ring.
#pragma once

#include <atomic>
#include <bitset>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "flow/steering.hpp"
#include "salut/counters.hpp"
#include "salut/frame.hpp"

namespace salut::io {

class SteeredPort;

class SteeredPorts {
 public:
  using Mailbox = boost::lockfree::spsc_queue<Frame>;
  enum class Trust : std::uint8_t {
    software,   // the device does not claim RSS
    probation,  // claimed, not yet proved
    believed,   // claimed and proved on every worker
    lying,      // claimed and wrong: a frame was in the wrong queue, so software steers
  };

  // The families for which the device claims RSS under the key and table of `steering`.
  struct Claim {
    bool ip4 = false;
    bool ip6 = false;
    bool any() const { return ip4 || ip6; }
  };

  // `queues`: of the device, at least one, at most one per worker. `room`: frames in each mailbox.
  SteeredPorts(flow::Steering steering, std::vector<Device*> queues, unsigned workers, Claim claim,
               FramePool& pool, std::size_t room);
  ~SteeredPorts();
  SteeredPorts(const SteeredPorts&) = delete;

  const flow::Steering& steering() const { return steering_; }
  SteeredPort& port(unsigned worker) { return *ports_[worker]; }
  Trust trust() const;

 private:
  friend class SteeredPort;

  Mailbox& mail(unsigned from, unsigned to) { return *mail_[from * workers_ + to]; }

  flow::Steering steering_;
  unsigned workers_;
  FramePool& pool_;
  Claim claim_;
  std::atomic<bool> lying_ = false;
  std::vector<std::unique_ptr<Mailbox>> mail_;    // from one worker to another
  std::vector<std::unique_ptr<Mailbox>> outbox_;  // for workers without a queue
  std::vector<std::unique_ptr<SteeredPort>> ports_;
};

// The port of one worker.
class SteeredPort final : public Device {
 public:
  SteeredPort(SteeredPorts& ports, unsigned worker, Device* queue);
  ~SteeredPort() override;

  unsigned receive(Frame* frames, unsigned count) override;
  unsigned transmit(const Frame* frames, unsigned count) override;

  // Adds this worker's counts to `counters`. On its lcore, or on any thread while that does not
  // run.
  void add_to(Counters& counters) const;
  // Frames passed to other workers or sent for them so far: work that the engine does not see.
  std::uint64_t moved() const { return moved_; }
  bool believes() const { return believes_.load(std::memory_order_relaxed); }

 private:
  friend class SteeredPorts;
  static constexpr unsigned burst = 64;
  static constexpr unsigned proofs_wanted = 32;  // entries of the table, or all of this worker's
  static constexpr unsigned looked_at = 64;  // once RSS is trusted, one burst in so many is checked

  // Frames that wait to be pushed to one other worker.
  struct Leaving {
    std::vector<Frame> frames;
    unsigned count = 0;
  };

  unsigned take_mail(Frame* frames, unsigned count);
  unsigned take_burst(Frame* frames, unsigned count);
  bool must_look();
  void judge(unsigned entry);
  void copy_to_all(const Frame& frame);
  void enqueue(const Frame& frame, unsigned to);
  void push(unsigned to);
  void send_for_others();

  SteeredPorts& ports_;
  unsigned worker_;
  Device* queue_;                    // null: this worker has none
  std::vector<unsigned> sends_for_;  // workers without a queue, for which this one sends
  std::vector<Leaving> leaving_;     // by worker
  std::size_t next_sender_ = 0;      // the outbox that comes first
  std::vector<Frame> held_;          // frames of sends_for_ for which the device had no room
  unsigned held_count_ = 0;
  unsigned next_mail_ = 0;  // the mailbox that comes first
  std::bitset<flow::Steering::table_max> proved_;
  unsigned proofs_ = 0;
  unsigned bursts_ = 0;
  std::atomic<bool> believes_ = false;
  std::uint64_t moved_ = 0;
  std::uint64_t redirected_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace salut::io
