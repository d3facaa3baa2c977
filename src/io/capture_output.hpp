// While this lives, all that the process prints to standard output and standard error goes into a
// file in memory. At the end `sink` gets its first 16 KiB. Reason: DPDK and the libraries below it
// print past DPDK's log. Lines for the Log wait meanwhile (io/log.hpp).
//
// Threads: the control thread, while no other thread prints.
#pragma once

#include <string_view>

namespace salut::io {

class CaptureOutput {
 public:
  using Sink = void (*)(std::string_view text);

  // `sink` is called once, from the destructor.
  explicit CaptureOutput(Sink sink);
  ~CaptureOutput();
  CaptureOutput(const CaptureOutput&) = delete;

  // For who ends the process now: whatever is captured ends, without a sink.
  static void abandon();

 private:
  void restore();  // the descriptors
  void release();  // the Log

  Sink sink_;
  bool holds_ = false;  // the Log
  int file_ = -1;
  int saved_[2] = {-1, -1};
};

}  // namespace salut::io
