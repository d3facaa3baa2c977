// A device and a pool of frames in one, in the arena.
#pragma once

#include <array>
#include <cstring>

#include "model.hpp"

namespace salut::search {

class Port final : public Device, public FramePool {
 public:
  void set(Model* model, unsigned side, std::byte* memory) {
    model_ = model;
    side_ = side;
    for (unsigned i = 0; i < capacity; ++i) free_[i] = memory + i * frame_bytes;
    free_count_ = capacity;
  }
  static constexpr unsigned capacity = 16;
  static constexpr std::size_t frame_bytes = 1536;

  // What receive() will return next.
  void put(const std::byte* bytes, std::uint16_t length) {
    arriving_ = length;
    std::memcpy(arrived_.data(), bytes, length);
  }

  unsigned receive(Frame* frames, unsigned) override {
    if (arriving_ == 0 || !acquire(frames, 1)) return 0;
    std::memcpy(frames->data, arrived_.data(), arriving_);
    frames->length = arriving_;
    arriving_ = 0;
    return 1;
  }
  unsigned transmit(const Frame* frames, unsigned count) override {
    for (unsigned i = 0; i < count; ++i) model_->sent(side_, frames[i]);
    release(frames, count);
    return count;
  }
  bool acquire(Frame* frames, unsigned count) override {
    if (free_count_ < count) return false;
    for (unsigned i = 0; i < count; ++i) {
      frames[i] = Frame{};
      frames[i].data = free_[--free_count_];
      frames[i].handle = frames[i].data;
      frames[i].room = frame_bytes;
    }
    return true;
  }
  void release(const Frame* frames, unsigned count) override {
    for (unsigned i = 0; i < count; ++i)
      free_[free_count_++] = static_cast<std::byte*>(frames[i].handle);
  }
  bool pending() const { return arriving_ != 0; }
  unsigned outstanding() const { return capacity - free_count_; }

 private:
  Model* model_ = nullptr;
  unsigned side_ = 0;
  unsigned free_count_ = 0;
  std::array<std::byte*, capacity> free_ = {};
  std::uint16_t arriving_ = 0;
  std::array<std::byte, 128> arrived_ = {};
};

}  // namespace salut::search
