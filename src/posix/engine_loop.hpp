// What the sockets layer needs: an engine, something that polls it, a clock, and a way to wait.
//
// A socket call changes the engine and then may have to sleep until a segment or a timer has made a
// condition true. How to sleep is left to the implementation: packetdrill's plug-in does it in
// virtual time (tests/packetdrill/plugin/virtual_loop.hpp). A layer for programs would use a real
// clock and a thread that polls the engine.
//
// Threads: any; a call holds the lock from its first line to its last, wait() gives it up
// meanwhile.
#pragma once

#include <functional>
#include <mutex>

#include "salut/address.hpp"
#include "salut/event.hpp"
#include "salut/stack_config.hpp"
#include "salut/time.hpp"
#include "stack/engine.hpp"

namespace salut::posix {

class EngineLoop {
 public:
  using Lock = std::unique_lock<std::mutex>;
  static constexpr Instant never = Instant::max();

  virtual ~EngineLoop() = default;

  // Takes the lock. Every call of the sockets layer begins with it.
  virtual Lock enter() = 0;
  virtual stack::Engine& engine() = 0;
  virtual const StackConfig& config() const = 0;
  virtual Instant now() const = 0;
  // The source address of a connection to `remote` whose socket is not bound; any: the engine
  // chooses.
  virtual IpAddress source_for(const IpAddress& remote) const = 0;

  // Polls the engine until it has nothing more to do at this instant, so that what a call asked for
  // takes effect before the call returns. Its events go to on_event.
  virtual void run() = 0;
  // Sleeps until `ready`; false if `deadline` came first. `ready` is called under the lock, after
  // each turn of the engine, by any thread.
  virtual bool wait(Lock& lock, const std::function<bool()>& ready, Instant deadline) = 0;

  std::function<void(const Event&)> on_event = [](const Event&) {};
};

}  // namespace salut::posix
