// One engine in virtual time, for callers that may block.
//
// Nothing here looks at a real clock. Time moves in four places only: usleep(), gettimeofday() by a
// microsecond, the wait for the next packet, and a blocking call of the driving thread (the one
// that made the machine). On the way every timer of the engine runs at its own instant, so that
// 2MSL costs a few turns.
//
// A blocking call of any other thread sleeps until a turn of the engine made its condition true.
// The bet that makes this exact: the clock does not move between the turn that ended the wait and
// the next call of the thread that was waiting. packetdrill reads gettimeofday right after each
// blocking call, so it sees the instant at which the call ended, however the scheduler orders the
// two threads. (A caller that never comes back is given 200 real milliseconds.)
//
//   Machine machine(flags);
//   auto lock = machine.enter();          // every call of the interface starts so
//   machine.advance(lock, machine.now() + 10ms);
//   if (!machine.wait(lock, [&] { return socket.readable(); }, Machine::never)) … timed out
//
// Threads: any; all under one lock.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <set>
#include <thread>

#include "io/packetdrill/flags.hpp"
#include "io/packetdrill/wire.hpp"
#include "stack/engine.hpp"

namespace salut::packetdrill {

class Machine {
 public:
  using Lock = std::unique_lock<std::mutex>;
  static constexpr Instant never = Instant::max();

  explicit Machine(const Flags& flags);
  Machine(const Machine&) = delete;

  // `returning`: this is the first call of a thread whose last one waited.
  Lock enter(bool* returning = nullptr);

  Instant now() const { return now_; }
  stack::Engine& engine() { return *engine_; }
  const Flags& flags() const { return flags_; }
  std::function<void(const Event&)> on_event = [](const Event&) {};

  // Turns of the engine until nothing happens any more at this instant.
  void run();
  void advance(Lock& lock, Instant to);
  // Sleeps until `ready`; false if `deadline` came first.
  bool wait(Lock& lock, const std::function<bool()>& ready, Instant deadline);

  void inject(std::span<const std::byte> ip_packet);
  // The next packet that the engine sends; none within receive_limit if empty.
  std::optional<Wire::Packet> receive(Lock& lock);

 private:
  struct Waiter {
    const std::function<bool()>* ready;
    Instant deadline;
    std::thread::id thread;
    bool woken = false;
  };

  void step(Lock& lock, Instant until);
  void wake();
  void settle(Lock& lock);
  void trace(const char* direction, std::span<const std::byte> ip_packet) const;

  Flags flags_;
  std::thread::id driver_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Waiter> waiters_;
  std::set<std::thread::id> returning_;  // woken, and their next call has not come yet
  Instant now_;
  HeapMemory memory_;
  Pool pool_;
  Wire wire_;
  std::unique_ptr<stack::Engine> engine_;
};

}  // namespace salut::packetdrill
