#include "io/dpdk/eal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string_view>
#include <utility>

#include "io/capture_output.hpp"
#include "io/dpdk/panic_guard.hpp"
#include "io/log.hpp"
#include "io/sigpipe.hpp"

namespace salut::io {
namespace {

bool tried = false;  // to start; also if it failed

// Of the message that DPDK writes on this thread.
LogLevel level_now() {
  const auto level = static_cast<unsigned>(rte_log_cur_msg_loglevel());
  if (level == RTE_LOG_DEBUG) return LogLevel::debug;
  if (level == RTE_LOG_WARNING) return LogLevel::warning;
  return level < RTE_LOG_WARNING ? LogLevel::error : LogLevel::info;
}

// DPDK's log stream: a buffer instead of the terminal.
class LogBuffer {
 public:
  static LogBuffer& instance() {
    static LogBuffer buffer;
    return buffer;
  }

  void open() {
    if (stream_ != nullptr) return;
    cookie_io_functions_t functions = {};
    functions.write = [](void* cookie, const char* data, std::size_t size) -> ssize_t {
      static_cast<LogBuffer*>(cookie)->append(level_now(), {data, size});
      return static_cast<ssize_t>(size);
    };
    stream_ = fopencookie(this, "w", functions);
    if (stream_ == nullptr) return;
    setvbuf(stream_, nullptr, _IOLBF, 4'096);
    rte_openlog_stream(stream_);
  }

  void append(LogLevel level, std::string_view text) {
    {
      const std::scoped_lock lock(mutex_);
      text_.append(text.substr(0, limit - std::min(limit, text_.size())));
    }
    // Each thread's own: DPDK writes a message in one piece, however long.
    thread_local LogLines lines;
    lines.append(level, text);
  }

  std::string take() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(text_, {});
  }

  std::string text() {
    const std::scoped_lock lock(mutex_);
    return text_;
  }

 private:
  static constexpr std::size_t limit = 65'536;
  std::mutex mutex_;
  std::string text_;
  FILE* stream_ = nullptr;
};

std::vector<std::string> arguments_of(const EalOptions& options) {
  std::vector<std::string> arguments = {"salut", "--file-prefix", options.name, "--no-shconf"};
  std::string lcores = fmt::format("0@({})", fmt::join(options.allowed, ","));
  for (std::size_t worker = 0; worker < options.cores.size(); ++worker) {
    lcores += fmt::format(",{}@{}", worker + 1, options.cores[worker]);
  }
  arguments.insert(arguments.end(), {"--lcores", lcores, "--main-lcore", "0"});
  if (options.hugepages) {
    arguments.push_back("--in-memory");
    if (options.shared) arguments.push_back("--single-file-segments");
  } else {
    arguments.push_back("--no-huge");
  }
  arguments.insert(arguments.end(), {"-m", std::to_string(options.megabytes)});
  if (options.pci.empty()) {
    arguments.insert(arguments.end(), {"--no-pci", "--iova-mode=va"});
  }
  for (const std::string& address : options.pci) {
    arguments.insert(arguments.end(), {"-a", address});
  }
  return arguments;
}

}  // namespace

Result<void> Eal::may_start() {
  if (!tried) return {};
  return fail(Errc::unsupported,
              "DPDK starts once per process, and an open() was tried before; want a new process");
}

Result<std::unique_ptr<Eal>> Eal::start(const EalOptions& options) {
  if (auto may = may_start(); !may) return tl::unexpected<Error>(may.error());
  tried = true;
  LogBuffer::instance().open();
  // DPDK unlinks its telemetry socket at exit and leaves the directory; this runs after that.
  std::atexit([] { rmdir(rte_eal_get_runtime_dir()); });
  std::vector<std::string> arguments = arguments_of(options);
  // DPDK does not start if it cannot make its telemetry socket. Without a directory for the socket,
  // do without telemetry.
  const std::string& place = options.runtime_directory;
  const char* named = std::getenv("RUNTIME_DIRECTORY");
  const std::string before = named != nullptr ? named : "";
  if (place.empty()) {
    arguments.push_back("--no-telemetry");
  } else {
    setenv("RUNTIME_DIRECTORY", place.c_str(), 1);
  }
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  int rc = 0;
  {
    const CaptureOutput capture(append_to_log);
    const NoSigpipe quiet;  // inherited by every thread of DPDK
    const PanicGuard guard{panic_line};
    rc = rte_eal_init(static_cast<int>(argv.size()) - 1, argv.data());
  }
  if (named == nullptr) {
    unsetenv("RUNTIME_DIRECTORY");
  } else {
    setenv("RUNTIME_DIRECTORY", before.c_str(), 1);
  }
  if (rc < 0) {
    const std::string why = last_error_line();
    return fail(rte_errno == EACCES ? Errc::no_permission : Errc::no_memory,
                fmt::format("DPDK does not start ({}): {}", rte_strerror(rte_errno),
                            why.empty() ? "it gave no reason" : why));
  }
  return std::unique_ptr<Eal>(new Eal());
}

Eal::~Eal() {
  const CaptureOutput capture(append_to_log);
  const NoSigpipe quiet;
  rte_eal_cleanup();
}

bool Eal::launch(std::uint32_t worker, int (*function)(void*), void* argument) {
  return rte_eal_remote_launch(function, argument, worker + 1) == 0;
}

bool Eal::running(std::uint32_t worker) const {
  return rte_eal_get_lcore_state(worker + 1) == RUNNING;
}

void Eal::wait(std::uint32_t worker) { rte_eal_wait_lcore(worker + 1); }

std::uint64_t tsc_hz() { return rte_get_tsc_hz(); }

void append_to_log(std::string_view text) { LogBuffer::instance().append(LogLevel::info, text); }

std::string take_log() { return LogBuffer::instance().take(); }

std::string last_error_line() {
  // What DPDK's upper layers log about a failure; the layer below has logged the reason.
  static constexpr std::string_view generic[] = {"Failed to attach device",
                                                 "cannot attach the device", "already stopped",
                                                 "dev_configure = ", "Failed to start driver"};
  static constexpr std::string_view prefixes[] = {"EAL: ", "VHOST_CONFIG: ", "FATAL: "};
  const std::string text = LogBuffer::instance().text();
  std::string last;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    for (const std::string_view prefix : prefixes) {
      if (line.starts_with(prefix)) line.remove_prefix(prefix.size());
    }
    const bool says_more = std::none_of(std::begin(generic), std::end(generic), [&](auto words) {
      return line.find(words) != std::string_view::npos;
    });
    if (!line.empty() && says_more) last = line;
  }
  return last;
}

// The line after "PANIC in rte_eal_init():".
std::string panic_line() {
  constexpr std::string_view mark = "PANIC in ";
  const std::string text = LogBuffer::instance().text();
  const std::size_t at = text.rfind(mark);
  if (at == std::string::npos) return {};
  const std::size_t begin = text.find('\n', at);
  if (begin == std::string::npos) return "it gave no reason";
  return text.substr(begin + 1, text.find('\n', begin + 1) - begin - 1);
}

std::uint64_t free_hugepages_mb(const std::string& root) {
  std::ifstream file(root + "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
  std::uint64_t pages = 0;
  return file >> pages ? pages * 2 : 0;
}

}  // namespace salut::io
