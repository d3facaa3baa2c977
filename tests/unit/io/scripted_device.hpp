// A device that a test holds in its hand: it gives the frames in `arriving`, in their order, and
// remembers what it was given.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <vector>

#include "io/sim/world.hpp"

namespace salut {

struct ScriptedDevice final : Device {
  using Bytes = std::vector<std::byte>;

  explicit ScriptedDevice(FramePool& pool) : pool_(pool) {}
  unsigned receive(Frame* frames, unsigned count) override {
    unsigned n = 0;
    for (; n < count && !arriving.empty(); ++n) {
      frames[n] = arriving.front();
      arriving.pop_front();
    }
    return n;
  }
  unsigned transmit(const Frame* frames, unsigned count) override {
    const unsigned n = std::min(count, takes);
    for (unsigned i = 0; i < n; ++i) {
      sent.emplace_back(frames[i].data, frames[i].data + frames[i].length);
    }
    pool_.release(frames, n);
    return n;
  }

  std::deque<Frame> arriving;
  std::vector<Bytes> sent;
  unsigned takes = 1'000'000;  // at most so many at once

 private:
  FramePool& pool_;
};

}  // namespace salut
