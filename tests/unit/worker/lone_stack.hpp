// A Stack as a Runtime makes it, without a Runtime: no packet ever comes, and the test is its
// lcore.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "host/tsc.hpp"
#include "worker/worker.hpp"

namespace salut::test {

class LoneStack : public testing::Test {
 protected:
  LoneStack() { config_.connections = config_.time_wait = config_.buffer_blocks = 64; }
  // As Runtime does, around the application.
  void start(WorkerOptions options = {}) {
    options.tsc_hz = 2'000'000'000;  // near enough: what counts is that it does not stand still
    options.origin = read_tsc();
    ip::Interface interface;
    interface.device = &nowhere_;
    interface.mac = *Mac::parse("02:00:00:00:00:01");
    interface.addresses = {Prefix{IpAddress::v4(0x0a000001), 24}};
    stack_ = std::make_unique<Stack>(std::make_unique<Stack::Impl>(
        config_, std::vector{interface}, std::vector<const io::SteeredPort*>{}, nowhere_, options,
        stop_));
    stack_->impl().prepare();
    stack_->impl().enter();
  }
  Stack& stack() { return *stack_; }
  Stack::Impl& impl() { return stack_->impl(); }

  class Nowhere final : public FramePool, public Device {
   public:
    bool acquire(Frame*, unsigned) override { return false; }
    void release(const Frame*, unsigned) override {}
    unsigned receive(Frame*, unsigned) override {
      if (on_receive) std::exchange(on_receive, nullptr)();
      return 0;
    }
    unsigned transmit(const Frame*, unsigned) override { return 0; }
    std::function<void()> on_receive;  // the next time
  };

  StackConfig config_;
  Nowhere nowhere_;
  std::atomic<bool> stop_{false};
  std::unique_ptr<Stack> stack_;
};

}  // namespace salut::test
