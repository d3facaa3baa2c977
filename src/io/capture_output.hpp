// While this lives, all that the process prints to standard output and standard error goes into a
// file in memory. At the end `sink` gets its first 16 KiB. Reason: DPDK and the libraries below it
// print past DPDK's log.
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

  // The process's own standard error, captured or not.
  static int standard_error();

 private:
  Sink sink_;
  int file_ = -1;
  int saved_[2] = {-1, -1};
};

}  // namespace salut::io
