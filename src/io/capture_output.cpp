#include "io/capture_output.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <string>

namespace salut::io {
namespace {
int standard_error_now = STDERR_FILENO;
}

int CaptureOutput::standard_error() { return standard_error_now; }

CaptureOutput::CaptureOutput(Sink sink) : sink_(sink) {
  file_ = memfd_create("salut-output", MFD_CLOEXEC);
  if (file_ < 0) return;
  std::fflush(nullptr);
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    saved_[fd - 1] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (saved_[fd - 1] >= 0) dup2(file_, fd);
  }
  if (saved_[STDERR_FILENO - 1] >= 0) standard_error_now = saved_[STDERR_FILENO - 1];
}

CaptureOutput::~CaptureOutput() {
  if (file_ < 0) return;
  std::fflush(nullptr);
  if (saved_[STDERR_FILENO - 1] >= 0) standard_error_now = STDERR_FILENO;
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    if (saved_[fd - 1] < 0) continue;
    dup2(saved_[fd - 1], fd);
    close(saved_[fd - 1]);
  }
  std::string text(16'384, '\0');
  const ssize_t got = pread(file_, text.data(), text.size(), 0);
  if (got > 0) sink_({text.data(), static_cast<std::size_t>(got)});
  close(file_);
}

}  // namespace salut::io
