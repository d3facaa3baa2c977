#include "io/steered_port.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "ip/interfaces.hpp"
#include "wire/classify.hpp"

namespace salut::io {

SteeredPorts::SteeredPorts(flow::Steering steering, std::vector<Device*> queues, unsigned workers,
                           Claim claim, FramePool& pool, std::size_t room)
    : steering_(std::move(steering)), workers_(workers), pool_(pool), claim_(claim) {
  for (unsigned pair = 0; pair < workers * workers; ++pair) {
    const bool itself = pair / workers == pair % workers;
    mail_.push_back(itself ? nullptr : std::make_unique<Mailbox>(room));
  }
  for (unsigned worker = 0; worker < workers; ++worker) {
    const bool has_queue = worker < queues.size();
    outbox_.push_back(has_queue ? nullptr : std::make_unique<Mailbox>(room));
    ports_.push_back(
        std::make_unique<SteeredPort>(*this, worker, has_queue ? queues[worker] : nullptr));
  }
  for (std::size_t worker = queues.size(); worker < workers; ++worker) {
    ports_[worker % queues.size()]->sends_for_.push_back(static_cast<unsigned>(worker));
  }
}

SteeredPorts::~SteeredPorts() {
  const auto give_back = [this](const Frame& frame) { pool_.release(&frame, 1); };
  for (const auto& box : mail_) {
    if (box != nullptr) box->consume_all(give_back);
  }
  for (const auto& box : outbox_) {
    if (box != nullptr) box->consume_all(give_back);
  }
}

SteeredPorts::Trust SteeredPorts::trust() const {
  if (!claim_.any()) return Trust::software;
  if (lying_.load(std::memory_order_relaxed)) return Trust::lying;
  const bool all = std::ranges::all_of(ports_, [](const auto& port) { return port->believes(); });
  return all ? Trust::believed : Trust::probation;
}

SteeredPort::SteeredPort(SteeredPorts& ports, unsigned worker, Device* queue)
    : ports_(ports), worker_(worker), queue_(queue), leaving_(ports.workers_) {
  for (Leaving& leaving : leaving_) leaving.frames.resize(burst);
  held_.resize(burst);
}

SteeredPort::~SteeredPort() {
  if (held_count_ > 0) ports_.pool_.release(held_.data(), held_count_);
}

unsigned SteeredPort::receive(Frame* frames, unsigned count) {
  if (!sends_for_.empty()) send_for_others();
  if (queue_ == nullptr) return take_mail(frames, count);
  // Half of the room for mail and half for the queue; what one leaves, the other takes.
  unsigned kept = take_mail(frames, count / 2);
  kept += take_burst(frames + kept, count - kept);
  if (kept < count) kept += take_mail(frames + kept, count - kept);
  return kept;
}

unsigned SteeredPort::take_mail(Frame* frames, unsigned count) {
  const unsigned workers = ports_.workers_;
  unsigned got = 0;
  for (unsigned i = 0; i < workers && got < count; ++i) {
    const unsigned from = (next_mail_ + i) % workers;
    if (from == worker_) continue;
    got += static_cast<unsigned>(ports_.mail(from, worker_).pop(frames + got, count - got));
  }
  next_mail_ = (next_mail_ + 1) % workers;
  return got;
}

// Must this worker compute where each frame of the next burst belongs?
bool SteeredPort::must_look() {
  if (!believes_.load(std::memory_order_relaxed)) return true;
  if (ports_.lying_.load(std::memory_order_relaxed)) {
    believes_.store(false, std::memory_order_relaxed);
    return true;
  }
  return ++bursts_ % looked_at == 0;
}

void SteeredPort::judge(unsigned entry) {
  if (ports_.lying_.load(std::memory_order_relaxed)) return;
  if (ports_.steering_.worker_at(entry) != worker_) {
    ports_.lying_.store(true, std::memory_order_relaxed);
    believes_.store(false, std::memory_order_relaxed);
  } else if (!proved_[entry]) {
    // Each entry counts once: one connection, however long, proves only one entry.
    proved_[entry] = true;
    const unsigned wanted = std::min(proofs_wanted, ports_.steering_.entries_of(worker_));
    if (++proofs_ == wanted) believes_.store(true, std::memory_order_relaxed);
  }
}

unsigned SteeredPort::take_burst(Frame* frames, unsigned count) {
  using ip::Interfaces;
  std::array<Frame, burst> received;
  const unsigned got = queue_->receive(received.data(), std::min(count, burst));
  if (got == 0) return 0;
  const bool look = must_look();
  for (unsigned i = 0; i < std::min(got, Interfaces::ahead); ++i) Interfaces::prefetch(received[i]);
  unsigned kept = 0;
  flow::Ends ends;
  for (unsigned i = 0; i < got; ++i) {
    if (i + Interfaces::ahead < got) Interfaces::prefetch(received[i + Interfaces::ahead]);
    const Frame& frame = received[i];
    const wire::Recipient recipient = wire::classify(frame, ends);
    const bool claimed = recipient == wire::Recipient::flow &&
                         (ends.remote.is_v4() ? ports_.claim_.ip4 : ports_.claim_.ip6);
    unsigned to = worker_;
    if (recipient == wire::Recipient::odd_flow ||
        (recipient == wire::Recipient::flow && (look || !claimed))) {
      const unsigned entry = ports_.steering_.entry_of(ends);
      to = ports_.steering_.worker_at(entry);
      if (claimed) judge(entry);
    } else if (recipient == wire::Recipient::everyone) {
      copy_to_all(frame);
    }
    if (to == worker_) {
      frames[kept++] = frame;
    } else {
      enqueue(frame, to);
    }
  }
  for (unsigned to = 0; to < leaving_.size(); ++to) push(to);
  return kept;
}

// Copies a frame for every other worker. ARP and neighbour discovery are rare enough for that.
void SteeredPort::copy_to_all(const Frame& frame) {
  for (unsigned to = 0; to < ports_.workers_; ++to) {
    Frame copy;
    if (to == worker_ || !ports_.pool_.acquire(&copy, 1)) continue;
    if (frame.length > copy.room) {
      ports_.pool_.release(&copy, 1);
      continue;
    }
    std::memcpy(copy.data, frame.data, frame.length);
    copy.length = frame.length;
    copy.flags = static_cast<std::uint16_t>(frame.flags | for_learning);
    enqueue(copy, to);
  }
}

void SteeredPort::enqueue(const Frame& frame, unsigned to) {
  Leaving& leaving = leaving_[to];
  leaving.frames[leaving.count++] = frame;
  if (leaving.count == burst) push(to);
}

void SteeredPort::push(unsigned to) {
  Leaving& leaving = leaving_[to];
  if (leaving.count == 0) return;
  const auto taken =
      static_cast<unsigned>(ports_.mail(worker_, to).push(leaving.frames.data(), leaving.count));
  moved_ += leaving.count;
  for (unsigned i = 0; i < leaving.count; ++i) {
    if ((leaving.frames[i].flags & for_learning) != 0) continue;  // a copy is not redirected
    ++(i < taken ? redirected_ : dropped_);
  }
  if (taken < leaving.count) {
    ports_.pool_.release(leaving.frames.data() + taken, leaving.count - taken);
  }
  leaving.count = 0;
}

unsigned SteeredPort::transmit(const Frame* frames, unsigned count) {
  if (queue_ != nullptr) return queue_->transmit(frames, count);
  return static_cast<unsigned>(ports_.outbox_[worker_]->push(frames, count));
}

// Sends a burst of each outbox in turn, so that the busiest worker does not keep the others from
// the device. Frames that the device does not take are held; frames that stay in an outbox are
// back-pressure for their worker.
void SteeredPort::send_for_others() {
  const std::size_t others = sends_for_.size();
  for (std::size_t i = 0; i < others; ++i) {
    if (held_count_ == 0) {
      SteeredPorts::Mailbox& box = *ports_.outbox_[sends_for_[next_sender_]];
      next_sender_ = (next_sender_ + 1) % others;
      held_count_ = static_cast<unsigned>(box.pop(held_.data(), burst));
      if (held_count_ == 0) continue;
    }
    const unsigned sent = queue_->transmit(held_.data(), held_count_);
    moved_ += sent;
    held_count_ -= sent;
    if (held_count_ == 0) continue;
    std::copy_n(held_.begin() + sent, held_count_, held_.begin());
    return;
  }
}

void SteeredPort::add_to(Counters& counters) const {
  counters.redirected += redirected_;
  counters.drops[static_cast<std::size_t>(Drop::mailbox_full)] += dropped_;
}

}  // namespace salut::io
