// While one of these lives, all that the process prints to standard output and standard error goes
// into a file in memory, and from there to a `sink`. Reason: DPDK and the libraries below it print
// past DPDK's log. Lines for the Log wait meanwhile (io/log.hpp).
//
// There is one file, however many live at once (a port that does not open is closed within its own
// capture): the first redirects the output, the last gives it back, in whatever order they end.
// What was printed goes, once and in order, to the sink of the one that began last.
//
// Threads: any, while no other one prints.
#pragma once

#include <string_view>

namespace salut::io {

class CaptureOutput {
 public:
  using Sink = void (*)(std::string_view text);

  // `sink` is called by the constructors and destructors of all, with at most 16 KiB of what came
  // since the last call of any.
  explicit CaptureOutput(Sink sink);
  ~CaptureOutput();
  CaptureOutput(const CaptureOutput&) = delete;

  // For who ends the process now: whatever is captured ends, without a sink.
  static void abandon();

 private:
  friend struct Captured;
  Sink sink_;
};

}  // namespace salut::io
