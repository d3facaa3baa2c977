// What DPDK and the libraries below it print past DPDK's log, to standard error and output, goes
// into that log while this lives.
//
// Threads: the control thread, while nobody else has anything to say.
#pragma once

namespace salut::io {

class CaptureOutput {
 public:
  CaptureOutput();
  ~CaptureOutput();
  CaptureOutput(const CaptureOutput&) = delete;

  // The process's own standard error, captured or not.
  static int standard_error();

 private:
  int file_ = -1;
  int saved_[2] = {-1, -1};
};

}  // namespace salut::io
