// The engine of a script, in virtual time: what the sockets layer waits with.
//
// Nothing here looks at a real clock. Time moves in four places only: usleep(), gettimeofday() by a
// microsecond, the wait for the next packet, and a blocking call of the driving thread (the one
// that made this object). On the way every timer of the engine runs at its own instant, so that
// 2MSL costs a few turns.
//
// A blocking call of any other thread sleeps until a turn of the engine made its condition true.
// The bet that makes this exact: the clock does not move between the turn that ended the wait and
// the next call of the thread that was waiting. packetdrill reads gettimeofday right after each
// blocking call, so it sees the instant at which the call ended, however the scheduler orders the
// two threads. (A caller that never comes back is given 200 real milliseconds.) What that thread
// does next is packetdrill's own bookkeeping, such as the number of the descriptor that accept()
// gave: usleep() lets it come to rest before time goes on.
//
//   VirtualLoop loop(flags);
//   auto lock = loop.enter();          // every call of the interface starts so
//   loop.advance(lock, loop.now() + 10ms);
//   if (!loop.wait(lock, [&] { return socket.ready() != 0; }, VirtualLoop::never)) … timed out
//
// Threads: any; all under one lock.
#pragma once

#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "packetdrill/plugin/flags.hpp"
#include "packetdrill/plugin/netdev.hpp"
#include "posix/engine_loop.hpp"

namespace salut::packetdrill {

class VirtualLoop final : public posix::EngineLoop {
 public:
  explicit VirtualLoop(const Flags& flags);
  VirtualLoop(const VirtualLoop&) = delete;

  Lock enter() override { return enter(nullptr); }
  // `returning`: is this the first call of a thread whose last one waited?
  Lock enter(bool* returning);

  Instant now() const override { return now_; }
  stack::Engine& engine() override { return *engine_; }
  const StackConfig& config() const override { return flags_.stack; }
  IpAddress source_for(const IpAddress& remote) const override {
    return remote.is_v4() ? flags_.local : flags_.local6;
  }

  void run() override;
  bool wait(Lock& lock, const std::function<bool()>& ready, Instant deadline) override;
  void advance(Lock& lock, Instant to);
  // The same, after the threads whose calls have ended came to rest.
  void sleep(Lock& lock, Duration time);

  void inject(std::span<const std::byte> ip_packet);
  // The next packet that the engine sends; none within receive_limit if empty.
  std::optional<Netdev::Packet> receive(Lock& lock);

 private:
  struct Waiter {
    const std::function<bool()>* ready;
    Instant deadline;
    std::thread::id thread;
    bool woken = false;
  };

  void step(Lock& lock, Instant until);
  void wake();
  void let_finish(Lock& lock);
  // Until no woken thread still has to make its next call, at most 200 real milliseconds.
  void wait_for_returning(Lock& lock);
  void trace(const char* direction, std::span<const std::byte> ip_packet) const;

  Flags flags_;
  std::thread::id driver_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Waiter> waiters_;
  std::set<std::thread::id> returning_;  // woken, and their next call has not come yet
  std::vector<int> finishing_;  // ids of threads that have seen the time at which their call ended
  Instant now_;
  HeapMemory memory_;
  Pool pool_;
  Netdev netdev_;
  std::unique_ptr<stack::Engine> engine_;
};

}  // namespace salut::packetdrill
