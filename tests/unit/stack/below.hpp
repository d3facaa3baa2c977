// An engine with interfaces of its own choice and a device that captures: what lies below TCP.
#pragma once

#include "harness.hpp"

namespace salut::test {

using wire::test::Bytes;

class Below {
 public:
  explicit Below(const ip::Interface& like) : pool_(256), device_(pool_) {
    ip::Interface interface = like;
    interface.device = &device_;
    interface.mac = our_mac;
    engine_ = std::make_unique<stack::Engine>(small_config(), std::vector{interface}, pool_,
                                              memory_, 7, std::uint8_t{0}, now_);
  }
  ~Below() {
    engine_.reset();
    EXPECT_EQ(pool_.outstanding(), 0u);
  }

  void settle() {
    for (int i = 0; i < 100; ++i) {
      for (const Event& event : engine_->poll(now_)) events.push_back(event);
      for (Bytes& bytes : device_.outbox) sent.push_back(std::move(bytes));
      device_.outbox.clear();
      if (!engine_->last_poll_busy() && device_.inbox.empty()) return;
    }
    ADD_FAILURE() << "never quiet";
  }
  void send(Bytes bytes) {
    device_.inbox.push_back(std::move(bytes));
    settle();
  }
  void advance(Duration by) {
    for (const Instant end = now_ + by; now_ < end;) {
      now_ += 100ms;
      settle();
    }
  }
  Bytes take() {
    EXPECT_FALSE(sent.empty());
    if (sent.empty()) return Bytes(128);
    Bytes bytes = std::move(sent.front());
    sent.pop_front();
    return bytes;
  }
  std::uint64_t drops(Drop drop) const {
    return engine_->counters().drops[static_cast<std::size_t>(drop)];
  }
  stack::Engine& engine() { return *engine_; }
  Instant now() const { return now_; }

  std::deque<Bytes> sent;
  std::deque<Event> events;

 private:
  HeapMemory memory_;
  sim::Pool pool_;
  CaptureDevice device_;
  Instant now_{1s};
  std::unique_ptr<stack::Engine> engine_;
};

inline ip::Interface both_families() {
  ip::Interface interface;
  interface.addresses = {*Prefix::parse("10.0.0.1/24"), *Prefix::parse("fd00::1/64")};
  return interface;
}
inline Bytes tagged(const Bytes& plain, unsigned tag) {
  Bytes bytes(plain.begin(), plain.begin() + 12);
  wire::test::append(
      bytes, {0x81, 0, static_cast<std::uint8_t>(tag >> 8), static_cast<std::uint8_t>(tag)});
  wire::test::append(bytes, Bytes(plain.begin() + 12, plain.end()));
  return bytes;
}

}  // namespace salut::test
