#include "io/dpdk/panic_guard.hpp"

#include <unistd.h>

#include <string>
#include <string_view>

#include "io/capture_output.hpp"
#include "io/log.hpp"

namespace salut::io {
namespace {

PanicGuard::Why why_it_panics = nullptr;

// Called by abort() on the thread that panics, which holds no lock of the log any more.
void on_abort(int) {
  const std::string why = why_it_panics();
  if (why.empty()) return;  // not DPDK's panic: abort() goes on
  const std::string line =
      "salut: DPDK cannot start here: " + why + "; want what `salut doctor` finds missing\n";
  const std::string_view text = std::string_view(line).substr(0, line.size() - 1);
  CaptureOutput::abandon();  // what is said from here on is seen
  if (log_line(LogLevel::error, text)) _exit(2);
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) _exit(2);
  _exit(2);
}

}  // namespace

PanicGuard::PanicGuard(Why why) {
  why_it_panics = why;
  struct sigaction action = {};
  action.sa_handler = on_abort;
  sigemptyset(&action.sa_mask);
  sigaction(SIGABRT, &action, &before_);
}

PanicGuard::~PanicGuard() { sigaction(SIGABRT, &before_, nullptr); }

}  // namespace salut::io
