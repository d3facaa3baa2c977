// Functions that other threads hand to a stack, which runs them in its next poll().
//
// Many producers, one consumer, no lock: a queue of pointers of a fixed size. Who posts allocates
// and pays for it; the lcore looks at one counter, whose line nobody writes while nothing is
// posted. What a poll() runs is bounded, so that those who post cannot starve the packets.
//
// The end: once the application has returned, what it captured is gone, and no function runs any
// more. close() destroys those that are left; one whose post() was on its way at that moment is
// destroyed with this.
//
// Threads: post() any; run() and close() the lcore; made and destroyed when neither is running.
#pragma once

#include <atomic>
#include <boost/lockfree/queue.hpp>
#include <cstdint>
#include <functional>
#include <memory>

#include "salut/stack.hpp"

namespace salut {

class Posts {
 public:
  using Function = std::function<void(Stack&)>;
  static constexpr unsigned per_poll = 64;

  Posts() = default;
  ~Posts() { clear(); }
  Posts(const Posts&) = delete;

  // overload: the queue is full. stopped: after close().
  Errc post(Function function) {
    if (closed_.load(std::memory_order_acquire)) return Errc::stopped;
    auto owned = std::make_unique<Function>(std::move(function));
    if (!queue_.bounded_push(owned.get())) return Errc::overload;
    owned.release();
    waiting_.fetch_add(1);
    return Errc::ok;
  }

  bool any() const { return waiting_.load(std::memory_order_relaxed) != 0; }
  // The same in one order with everything else that is sequentially consistent.
  bool any_yet() const { return waiting_.load() != 0; }

  // In the order in which they were posted, at most per_poll. What one throws comes out here, and
  // those behind it wait for the next call.
  void run(Stack& stack) {
    for (unsigned i = 0; i < per_poll; ++i) {
      const std::unique_ptr<Function> function = take();
      if (function == nullptr) return;
      (*function)(stack);
    }
  }

  void close() {
    closed_.store(true, std::memory_order_release);
    clear();
  }

 private:
  std::unique_ptr<Function> take() {
    Function* function = nullptr;
    if (!queue_.pop(function)) return nullptr;
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    return std::unique_ptr<Function>(function);
  }
  void clear() {
    while (take() != nullptr) {
    }
  }

  boost::lockfree::queue<Function*, boost::lockfree::capacity<Stack::posts_max>> queue_;
  // Raised after a push, so that nothing lies in the queue for long while this is 0; for a moment
  // it may be below 0 instead.
  alignas(64) std::atomic<std::int32_t> waiting_{0};
  std::atomic<bool> closed_{false};
};

}  // namespace salut
