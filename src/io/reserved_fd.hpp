// Keeps the number of a descriptor valid after DPDK has closed it.
//
// DPDK's virtio-user as server closes its listening socket with the device. If no peer was
// connected, DPDK's interrupt thread keeps the number, and ends the process (rte_panic) when it
// next gives that number to epoll. Make a ReservedFd before the device is removed: afterwards it
// opens a descriptor under that number that never becomes ready, for as long as the process lives.
//
// Threads: control thread.
#pragma once

#include <string>

namespace salut::io {

class ReservedFd {
 public:
  // `path`: the socket that the device listens on; empty: it has none.
  explicit ReservedFd(const std::string& path);
  ~ReservedFd();
  ReservedFd(const ReservedFd&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace salut::io
