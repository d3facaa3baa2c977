#include "service/signals.hpp"

#include <signal.h>
#include <unistd.h>

#include <csignal>

namespace salut::service {

namespace {

std::atomic<Runtime*> target = nullptr;
std::atomic<bool> was_stopped = false;

void on_signal(int number) {
  if (was_stopped.exchange(true)) _exit(128 + number);
  if (Runtime* runtime = target.load()) runtime->stop();
}

void install(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// Signals that end a process by default and that we have no use for. SIGHUP: the terminal was
// closed. SIGHUP and SIGUSR1: a reload, in other programs. SIGPIPE: the reader of our output is
// gone.
constexpr int harmless[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};

}  // namespace

void ignore_harmless_signals() {
  for (const int number : harmless) std::signal(number, SIG_IGN);
}

StopOnSignal::StopOnSignal(Runtime* runtime) {
  was_stopped = false;
  target = runtime;
  install(on_signal);
  ignore_harmless_signals();
  if (runtime != nullptr) std::signal(SIGHUP, on_signal);
}

StopOnSignal::~StopOnSignal() {
  install(SIG_DFL);
  target = nullptr;
}

const std::atomic<bool>& StopOnSignal::stopped() const { return was_stopped; }

}  // namespace salut::service
