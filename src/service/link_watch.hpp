// Prints when the link of a port goes down or comes up, while a command runs:
//
//   salut: port wire: link down
//
// Threads: one of its own, which looks twice a second; lcores are not involved. stop() or the
// destructor ends it, which must be before the Runtime ends.
#pragma once

#include <atomic>
#include <thread>

#include "salut/runtime.hpp"

namespace salut::service {

class LinkWatch {
 public:
  // REQUIRES: Runtime::start() has returned, because both change the state of the ports.
  explicit LinkWatch(Runtime& runtime);
  void stop();

 private:
  std::jthread thread_;
};

// Waits until the link of some port is up, a minute at most. A cable takes seconds, and at the
// other end of a socket may be a guest that is still booting. Connections opened before that would
// fail.
void wait_for_links(Runtime& runtime, const std::atomic<bool>& interrupted);

// Closes the runtime after all workers have ended. Says on standard error how many packet buffers a
// driver lost.
void close_ports(Runtime& runtime);

}  // namespace salut::service
