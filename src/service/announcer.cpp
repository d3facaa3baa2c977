#include "service/announcer.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "host/say.hpp"
#include "service/command.hpp"

namespace salut::service {

void Announcer::tick(Clock::time_point now,
                     const std::function<std::optional<std::string>()>& ailment) {
  if (config_.down.empty() || now < due_) return;
  const std::optional<std::string> wrong = find_ailment(ailment);
  if (cancelled_()) return;
  if (wrong) {
    if (++failed_ == 1 || failed_ == config_.failures) {
      say(stderr, "announce: check: {} ({} in a row)\n", *wrong, failed_);
    }
    if (failed_ >= config_.failures) withdraw("health");
  } else {
    if (failed_ != 0) say(stderr, "announce: check: healthy again\n");
    failed_ = 0;
    if (!announced_ && !config_.up.empty()) {
      owed_ = true;
      announced_ = run("up", config_.up, "");
    }
  }
  due_ = Clock::now() + config_.period;
}

std::optional<std::string> Announcer::find_ailment(
    const std::function<std::optional<std::string>()>& ailment) const {
  if (auto wrong = ailment()) return wrong;
  if (config_.check.empty()) return std::nullopt;
  const CommandResult result = run_command(config_.check, config_.timeout, name_, cancelled_);
  return result.ok() ? std::nullopt : std::optional(result.text());
}

void Announcer::withdraw(std::string_view why) {
  if (!owed_) return;
  announced_ = false;
  owed_ = !run("down", config_.down, why);
}

bool Announcer::run(std::string_view key, const std::string& command, std::string_view why) {
  // A stop waits for `down` and kills the others.
  const auto never = [] { return false; };
  const CommandResult result = run_command(
      command, config_.timeout, name_, key == "down" ? std::function<bool()>(never) : cancelled_);
  say(stderr, "announce: {}{}: {}\n", key, why.empty() ? "" : fmt::format(" ({})", why),
      result.text());
  return result.ok();
}

}  // namespace salut::service
