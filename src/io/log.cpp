#include "io/log.hpp"

#include <algorithm>
#include <mutex>

namespace salut::io {
namespace {
std::mutex mutex;
Log receiver;
}  // namespace

void set_log(Log log) {
  const std::scoped_lock lock(mutex);
  receiver = std::move(log);
}

bool log_line(LogLevel level, std::string_view line) {
  const std::scoped_lock lock(mutex);
  if (!receiver) return false;
  receiver(level, line);
  return true;
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
    if (!begun_.empty()) log_line(level, begun_);
    begun_.clear();
  }
}

}  // namespace salut::io
