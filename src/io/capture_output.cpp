#include "io/capture_output.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "io/log.hpp"

namespace salut::io {

// What all captures share. Nobody calls a receiver of the Log with the lock.
struct Captured {
  std::mutex mutex;
  std::vector<CaptureOutput*> living;  // in the order in which they began
  int file = -1;
  int saved[2] = {-1, -1};

  void redirect() {
    file = memfd_create("salut-output", MFD_CLOEXEC);
    if (file < 0) return;
    std::fflush(nullptr);
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
      saved[fd - 1] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
      if (saved[fd - 1] >= 0) dup2(file, fd);
    }
  }

  void restore() {
    std::fflush(nullptr);
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
      const int before = std::exchange(saved[fd - 1], -1);
      if (before < 0) continue;
      dup2(before, fd);
      close(before);
    }
  }

  void hand_over() {
    if (file < 0) return;
    std::fflush(nullptr);
    std::string text(16'384, '\0');
    const ssize_t got = pread(file, text.data(), text.size(), 0);
    if (got <= 0) return;
    // Whoever prints next begins the file anew.
    if (lseek(file, 0, SEEK_SET) != 0 || ftruncate(file, 0) != 0) return;
    living.back()->sink_({text.data(), static_cast<std::size_t>(got)});
  }

  void drop_file() {
    if (file >= 0) close(std::exchange(file, -1));
  }
};

namespace {
Captured captured;
}

// The Log waits first: a receiver that prints at this moment is not captured.
CaptureOutput::CaptureOutput(Sink sink) : sink_(sink) {
  hold_log();
  const std::scoped_lock lock(captured.mutex);
  if (captured.living.empty()) {
    captured.redirect();
  } else {
    captured.hand_over();
  }
  captured.living.push_back(this);
}

CaptureOutput::~CaptureOutput() {
  {
    const std::scoped_lock lock(captured.mutex);
    const auto me = std::ranges::find(captured.living, this);
    if (me == captured.living.end()) return;  // abandoned
    if (captured.living.size() == 1) captured.restore();
    captured.hand_over();
    captured.living.erase(me);
    if (captured.living.empty()) captured.drop_file();
  }
  release_log();
}

void CaptureOutput::abandon() {
  std::size_t count = 0;
  {
    const std::scoped_lock lock(captured.mutex);
    count = std::exchange(captured.living, {}).size();
    if (count == 0) return;
    captured.restore();
    captured.drop_file();
  }
  for (; count != 0; --count) release_log();
}

}  // namespace salut::io
