#include "io/device_signals.hpp"

namespace salut::io {

namespace {

bool is_free(int number) {
  struct sigaction action = {};
  return sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_DFL;
}

// Ignoring a signal forgets those that wait for a thread to take them.
void discard(int number) {
  struct sigaction action = {};
  struct sigaction ignored = {};
  ignored.sa_handler = SIG_IGN;
  sigaction(number, &ignored, &action);
  sigaction(number, &action, nullptr);
}

}  // namespace

DeviceSignals::DeviceSignals() {
  sigemptyset(&taken_);
  sigaddset(&taken_, SIGIO);
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) {
    if (is_free(number)) sigaddset(&taken_, number);
  }
  pthread_sigmask(SIG_BLOCK, &taken_, &before_);
  struct sigaction ignored = {};
  ignored.sa_handler = SIG_IGN;
  sigaction(SIGIO, nullptr, &sigio_);
  if (sigio_.sa_handler == SIG_DFL) sigaction(SIGIO, &ignored, nullptr);
}

void DeviceSignals::adopt() {
  struct sigaction driver = {};
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) {
    if (sigismember(&taken_, number) != 1) continue;
    if (is_free(number)) {
      sigdelset(&taken_, number);
    } else {
      sigaction(number, nullptr, &driver);
      any_ = true;
    }
  }
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  if (!any_) return;
  pthread_sigmask(SIG_BLOCK, &taken_, nullptr);
  struct sigaction now = {};
  sigaction(SIGIO, nullptr, &now);
  if (now.sa_handler == SIG_IGN) sigaction(SIGIO, &driver, nullptr);
}

void DeviceSignals::enter() const {
  if (any_) pthread_sigmask(SIG_UNBLOCK, &taken_, nullptr);
}

void DeviceSignals::leave() const {
  if (any_) pthread_sigmask(SIG_BLOCK, &taken_, nullptr);
}

DeviceSignals::~DeviceSignals() {
  for (int number = SIGRTMIN; any_ && number <= SIGRTMAX; ++number) {
    if (sigismember(&taken_, number) == 1) discard(number);
  }
  discard(SIGIO);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  sigaction(SIGIO, &sigio_, nullptr);
}

}  // namespace salut::io
