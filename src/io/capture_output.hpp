// While this lives, what anybody prints to standard output and standard error goes into a file in
// memory, and to `sink` in the end: DPDK and the libraries below it print past DPDK's log.
//
// Threads: the control thread, while nobody else has anything to say.
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
