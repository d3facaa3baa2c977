// Says when the link of a port goes down or comes up, while a command runs:
//
//   salut: port wire: link down
//
// Threads: one of its own, which looks twice a second; no worker's lcore takes part. stop() (or the
// destructor) ends it before the Runtime goes.
#pragma once

#include <thread>

#include "salut/runtime.hpp"

namespace salut::cli {

class LinkWatch {
 public:
  explicit LinkWatch(Runtime& runtime);
  void stop();

 private:
  std::jthread thread_;
};

// Closes the runtime, when no worker runs any more, and says on standard error how many packet
// buffers a driver lost.
void close_ports(Runtime& runtime);

}  // namespace salut::cli
