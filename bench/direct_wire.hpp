// Two ports of one thread joined by arrays: frames cross by reference, as on the embedded wire, and
// nothing is allocated once as many have been under way as ever will be, or reserve() said so.
#pragma once

#include <algorithm>
#include <vector>

#include "salut/frame.hpp"

namespace salut::bench {

class DirectWire final : public Device {
 public:
  void reserve(std::size_t frames) { in_.reserve(frames); }
  unsigned receive(Frame* frames, unsigned count) override {
    const auto n = static_cast<unsigned>(std::min<std::size_t>(count, in_.size() - taken_));
    for (unsigned i = 0; i < n; ++i) {
      frames[i] = in_[taken_ + i];
      frames[i].flags = 0;
    }
    taken_ += n;
    if (taken_ == in_.size()) {
      in_.clear();
      taken_ = 0;
    }
    return n;
  }
  unsigned transmit(const Frame* frames, unsigned count) override {
    peer->in_.insert(peer->in_.end(), frames, frames + count);
    return count;
  }
  DirectWire* peer = nullptr;

 private:
  std::vector<Frame> in_;
  std::size_t taken_ = 0;
};

}  // namespace salut::bench
