// Back-off of a closed loop: a slot whose handshake failed rests before it opens again, for 10 ms,
// and twice as long after each failure in a row, up to 1.28 s. A server that refuses connections
// answers within microseconds: without a rest 256 slots sent it 78,000 SYNs a second.
//
// All slots of a level rest equally long, so that each level is a queue in order of time. Slots
// that wake within the same millisecond share an entry: a queue has at most 1,280 entries.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

namespace salut::load {

class BackOff {
 public:
  static constexpr std::uint8_t levels = 8;
  static constexpr double first_s = 0.01;

  explicit BackOff(double hz) : first_(static_cast<std::uint64_t>(first_s * hz)) {}

  // A slot failed that had opened on `level`; 0: it had not failed before.
  void rest(std::uint8_t level, std::uint64_t now) {
    const std::uint8_t next =
        level < levels ? level : levels - 1;  // index of the next level, which counts from 1
    const std::uint64_t wake = now + (first_ << next);
    std::deque<Entry>& queue = queues_[next];
    ++resting_;
    if (!queue.empty() && wake - queue.back().wake < first_ / 10) {
      ++queue.back().slots;
    } else {
      queue.push_back({wake, 1});
    }
  }

  // How many slots still rest.
  std::uint64_t resting(std::uint64_t now) {
    if (resting_ == 0) [[likely]]
      return 0;
    for (std::size_t i = 0; i < levels; ++i) {
      for (; !queues_[i].empty() && queues_[i].front().wake <= now; queues_[i].pop_front()) {
        awake_[i] += queues_[i].front().slots;
        resting_ -= queues_[i].front().slots;
      }
    }
    return resting_;
  }

  // The level of the slot that opens next. A slot that has rested goes first, if there is one.
  std::uint8_t next_level() {
    for (std::uint8_t i = 0; i < levels; ++i) {
      if (awake_[i] == 0) continue;
      --awake_[i];
      return static_cast<std::uint8_t>(i + 1);
    }
    return 0;
  }

 private:
  struct Entry {
    std::uint64_t wake;
    std::uint64_t slots;
  };

  std::uint64_t first_;  // ticks
  std::uint64_t resting_ = 0;
  std::array<std::deque<Entry>, levels> queues_;
  std::array<std::uint64_t, levels> awake_ = {};  // slots that have rested and not opened yet
};

}  // namespace salut::load
