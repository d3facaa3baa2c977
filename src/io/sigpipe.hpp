// Blocks SIGPIPE on this thread, and on threads that it starts, while this lives.
//
// DPDK writes to the sockets of vhost-user without MSG_NOSIGNAL: a peer that went away would end
// this process. The application owns the signal's disposition, so this does not change it: it
// blocks the signal and discards one that is pending at the end.
#pragma once

#include <csignal>
#include <ctime>

namespace salut::io {

class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  ~NoSigpipe() {
    if (sigismember(&before_, SIGPIPE) == 1) return;
    const timespec at_once = {};
    sigtimedwait(&sigpipe_, nullptr, &at_once);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;

 private:
  sigset_t sigpipe_;
  sigset_t before_;
};

}  // namespace salut::io
