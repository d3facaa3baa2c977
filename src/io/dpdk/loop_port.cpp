#include "io/dpdk/loop_port.hpp"

#include <array>
#include <cmath>

namespace salut::io {

void LoopPort::lose(double loss, std::uint64_t seed, FramePool& pool) {
  if (loss <= 0) return;
  threshold_ = static_cast<std::uint64_t>(std::llround(loss * 0x1p32));
  dice_ = seed;
  pool_ = &pool;
}

unsigned LoopPort::survivors(Frame* frames, unsigned count) {
  unsigned kept = 0;
  for (unsigned i = 0; i < count; ++i) {
    std::uint64_t x = dice_ += 0x9e3779b97f4a7c15;  // SplitMix64
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    if ((x ^ (x >> 31)) >> 32 < threshold_) {
      pool_->release(&frames[i], 1);
    } else {
      frames[kept++] = frames[i];
    }
  }
  lost_.store(lost() + (count - kept), std::memory_order_relaxed);
  return kept;
}

unsigned LoopPort::receive(Frame* frames, unsigned count) {
  auto got = static_cast<unsigned>(in_->pop(frames, count));
  if (pool_ != nullptr) got = survivors(frames, got);
  // Nobody has verified a checksum on the way, and the sender's port index means nothing here.
  for (unsigned i = 0; i < got; ++i) {
    frames[i].flags = 0;
    frames[i].port = 0;
  }
  return got;
}

unsigned LoopPort::transmit(const Frame* frames, unsigned count) {
  return static_cast<unsigned>(out_->push(frames, count));
}

void LoopPort::drain(FramePool& pool) {
  std::array<Frame, 64> frames;
  pool_ = nullptr;  // what is left over is given back, and not lost
  while (const unsigned got = receive(frames.data(), static_cast<unsigned>(frames.size()))) {
    pool.release(frames.data(), got);
  }
}

}  // namespace salut::io
