// Keeps the number of a closed descriptor from being nobody's.
//
// DPDK's virtio-user as server closes its listening socket with the device, and, where no peer is
// connected, leaves its number with the thread for interrupts, which ends the process (rte_panic)
// when it next asks epoll for that number. Made before the device is removed, this puts something
// that never has anything to say under the number afterwards, for as long as the process lives.
//
// Threads: control thread.
#pragma once

#include <string>

namespace salut::io {

class ReservedFd {
 public:
  // `path`: of the socket that is listened on; empty: of none.
  explicit ReservedFd(const std::string& path);
  ~ReservedFd();
  ReservedFd(const ReservedFd&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace salut::io
