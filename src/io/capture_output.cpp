#include "io/capture_output.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <utility>

#include "io/log.hpp"

namespace salut::io {
namespace {
CaptureOutput* outermost = nullptr;
}

CaptureOutput::CaptureOutput(Sink sink) : sink_(sink) {
  file_ = memfd_create("salut-output", MFD_CLOEXEC);
  if (file_ < 0) return;
  hold_log();
  holds_ = true;
  std::fflush(nullptr);
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    saved_[fd - 1] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (saved_[fd - 1] >= 0) dup2(file_, fd);
  }
  if (outermost == nullptr) outermost = this;
}

CaptureOutput::~CaptureOutput() {
  if (file_ < 0) return;
  restore();
  std::string text(16'384, '\0');
  const ssize_t got = pread(file_, text.data(), text.size(), 0);
  if (got > 0) sink_({text.data(), static_cast<std::size_t>(got)});
  close(file_);
  release();
}

void CaptureOutput::restore() {
  std::fflush(nullptr);
  if (outermost == this) outermost = nullptr;
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    const int saved = std::exchange(saved_[fd - 1], -1);
    if (saved < 0) continue;
    dup2(saved, fd);
    close(saved);
  }
}

void CaptureOutput::release() {
  if (std::exchange(holds_, false)) release_log();
}

void CaptureOutput::abandon() {
  if (outermost == nullptr) return;
  CaptureOutput& now = *outermost;
  now.restore();
  now.release();
}

}  // namespace salut::io
