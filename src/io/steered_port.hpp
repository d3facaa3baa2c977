// Several workers on one port: each frame reaches the worker whose flow it is.
//
// Where the device spreads flows by RSS under our key and table, a frame arrives where it belongs
// and only that is done. But devices lie: some take the key and put everything into one queue. So
// RSS is on probation first: of each frame is computed where it belongs, and when enough entries of
// the table were seen to be right (each worker's own count, of its own queue) it is believed; a
// burst in 64 is still looked at. The first frame in a wrong queue ends the belief, for good and on
// all workers, and they dispatch in software from then on. Recipient a flow is never changes, only
// who looks; a device that begins to lie once it is believed misleads what comes until the next
// look.
//
// In software, a frame of another worker goes into the mailbox between the two, one ring for each
// pair, without a lock. Workers without a queue of their own (the device has too few) live from
// mailboxes alone, and send through one that has a queue.
//
// What teaches the address of a neighbour goes to all workers, as a copy (wire/classify.hpp).
//
// Threads: SteeredPorts is made and destroyed on the control thread; each SteeredPort belongs to
// one lcore. Cost: on RSS that is believed, a look at each frame's headers, which are asked for
// early; otherwise six to twelve loads more, and for a frame that moves 24 bytes through a ring.
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
    software,   // nobody claims RSS
    probation,  // claimed, not yet proved
    believed,
    lying,  // claimed and wrong: software, since a frame was where it does not belong
  };

  // Of which families the device says that it does what `steering` does.
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
  std::vector<std::unique_ptr<Mailbox>> outbox_;  // of workers without a queue
  std::vector<std::unique_ptr<SteeredPort>> ports_;
};

// The port as one of its workers has it.
class SteeredPort final : public Device {
 public:
  SteeredPort(SteeredPorts& dispatch, unsigned worker, Device* queue);
  ~SteeredPort() override;

  unsigned receive(Frame* frames, unsigned count) override;
  unsigned transmit(const Frame* frames, unsigned count) override;

  // This worker's; `counters` gets them added. Its lcore, or any thread when that does not run.
  void add_to(Counters& counters) const;
  // Frames handed on so far, or sent for others: work that the engine does not see.
  std::uint64_t moved() const { return moved_; }
  bool believes() const { return believes_.load(std::memory_order_relaxed); }

 private:
  friend class SteeredPorts;
  static constexpr unsigned burst = 64;
  static constexpr unsigned proofs_wanted = 32;  // entries of the table, or all of this worker's
  static constexpr unsigned looked_at = 64;      // one burst in so many, once it is believed

  // On their way to one other worker.
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

  SteeredPorts& dispatch_;
  unsigned worker_;
  Device* queue_;                    // null: none of its own
  std::vector<unsigned> sends_for_;  // workers without one
  std::vector<Leaving> leaving_;     // by worker
  std::size_t next_sender_ = 0;      // whose outbox comes first
  std::vector<Frame> held_;          // others', that the device had no room for
  unsigned held_count_ = 0;
  unsigned next_mail_ = 0;  // whose mailbox comes first
  std::bitset<flow::Steering::table_max> proved_;
  unsigned proofs_ = 0;
  unsigned bursts_ = 0;
  std::atomic<bool> believes_ = false;
  std::uint64_t moved_ = 0;
  std::uint64_t redirected_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace salut::io
