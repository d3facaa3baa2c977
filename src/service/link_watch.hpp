// Says when the link of a port goes down or comes up, while a command runs:
//
//   salut: port wire: link down
//
// Threads: one of its own, which looks twice a second; no worker's lcore takes part. stop() (or the
// destructor) ends it before the Runtime goes.
#pragma once

#include <atomic>
#include <thread>

#include "salut/runtime.hpp"

namespace salut::service {

class LinkWatch {
 public:
  explicit LinkWatch(Runtime& runtime);
  void stop();

 private:
  std::jthread thread_;
};

// Waits up to a minute while no port's link is up: a cable takes seconds, and the other end of a
// socket may be a guest that has yet to boot. What opens connections before that only fails.
void wait_for_links(Runtime& runtime, const std::atomic<bool>& interrupted);

// Closes the runtime, when no worker runs any more, and says on standard error how many packet
// buffers a driver lost.
void close_ports(Runtime& runtime);

}  // namespace salut::service
