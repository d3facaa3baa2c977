#include "io/log.hpp"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <vector>

namespace salut::io {
namespace {
std::mutex mutex;
Log receiver;

struct Line {
  LogLevel level;
  std::string text;
};
unsigned holds = 0;
std::vector<Line> held;

// Said where a kernel has no multiq qdisc, which only rte_flow would need, and where a process has
// no secondary ones.
constexpr std::string_view harmless[] = {"Specified qdisc kind is unknown", "multiq qdisc",
                                         "Disabling rte flow support",
                                         "Failed to send start req to secondary"};
}  // namespace

void set_log(Log log) {
  const std::scoped_lock lock(mutex);
  receiver = std::move(log);
}

bool log_line(LogLevel level, std::string_view line) {
  const std::scoped_lock lock(mutex);
  if (!receiver) return false;
  if (holds != 0) {
    held.push_back({level, std::string(line)});
  } else {
    receiver(level, line);
  }
  return true;
}

void hold_log() {
  const std::scoped_lock lock(mutex);
  ++holds;
}

void release_log() {
  const std::scoped_lock lock(mutex);
  if (--holds != 0) return;
  for (const Line& line : std::exchange(held, {})) {
    if (receiver) receiver(line.level, line.text);
  }
}

LogLevel level_of(LogLevel own, std::string_view line) {
  const bool known = std::any_of(std::begin(harmless), std::end(harmless), [&](auto words) {
    return line.find(words) != std::string_view::npos;
  });
  return known ? LogLevel::debug : own;
}

void LogLines::append(LogLevel level, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::size_t room = longest - begun_.size();
    const std::size_t count = std::min(std::min(end, text.size()), room);
    begun_.append(text.substr(0, count));
    text.remove_prefix(count);
    const bool ended = !text.empty() && text.front() == '\n';
    if (ended) text.remove_prefix(1);
    if (!ended && begun_.size() < longest) return;
    if (!begun_.empty()) log_line(level_of(level, begun_), begun_);
    begun_.clear();
  }
}

}  // namespace salut::io
