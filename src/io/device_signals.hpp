// Keeps the signals of a device driver on the workers.
//
// DPDK's TAP driver has the kernel send the process a real-time signal for every frame that
// arrives, and reads the queue only after its handler ran. The kernel prefers the main thread,
// whose waits they cut short 20,000 times a second. When no more signals may be queued (ulimit -i)
// the kernel sends SIGIO instead, which ends a process that has not asked for it.
//
// So these signals are blocked on threads that DPDK starts and on the thread that opens the ports,
// and unblocked on a worker while it runs; SIGIO runs the driver's handler too. Threads that the
// application started before keep their own masks.
//
//   DeviceSignals signals;   // before DPDK starts
//   …                        // ports are opened
//   signals.adopt();
//   signals.enter();         // on a worker, at its start; leave() at its end
//
// Threads: made, adopted and destroyed on one; enter() and leave() on any.
#pragma once

#include <csignal>

namespace salut::io {

class DeviceSignals {
 public:
  DeviceSignals();
  ~DeviceSignals();
  DeviceSignals(const DeviceSignals&) = delete;
  DeviceSignals& operator=(const DeviceSignals&) = delete;

  void adopt();
  void enter() const;
  void leave() const;

 private:
  sigset_t before_;              // the mask of the thread that made this
  sigset_t taken_;               // the signals that a driver has taken, and SIGIO
  struct sigaction sigio_ = {};  // the action of SIGIO before
  bool any_ = false;             // a driver has taken at least one
};

}  // namespace salut::io
