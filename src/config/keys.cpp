#include "config/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace salut::config {

Error complaint(std::string_view file, std::string_view key, std::string_view value,
                std::string_view problem, std::string_view want) {
  std::string line;
  if (!file.empty()) line += fmt::format("{}: ", file);
  line += key;
  if (!value.empty()) line += fmt::format(" = {}", value);
  line += fmt::format(": {}", problem);
  if (!want.empty()) line += fmt::format("; want {}", want);
  return {Errc::bad_config, std::move(line)};
}

std::string name_rule() { return fmt::format("1 to {} of a-z, 0-9, _ and -", name_max); }

bool is_instance_name(std::string_view text) {
  return !text.empty() && text.size() <= name_max &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
         });
}

std::string list_text(std::span<const std::string> words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i != 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

std::string_view type_name(PortType type) {
  switch (type) {
    case PortType::loop:
      return "loop";
    case PortType::mirror:
      return "mirror";
    case PortType::tap:
      return "tap";
    case PortType::vdev:
      return "vdev";
    case PortType::pci:
      return "pci";
  }
  return "?";
}

std::string_view idle_name(Idle idle) {
  switch (idle) {
    case Idle::spin:
      return "spin";
    case Idle::yield:
      return "yield";
    case Idle::sleep:
      return "sleep";
  }
  return "?";
}

namespace {

// Levenshtein's distance, one row at a time.
std::size_t edits(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  for (std::size_t j = 0; j <= to.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t changed = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[to.size()];
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
  std::string_view best;
  std::size_t best_edits = std::max<std::size_t>(1, word.size() / 2) + 1;
  for (const std::string_view candidate : known) {
    const std::size_t distance = edits(word, candidate);
    if (distance < best_edits) {
      best = candidate;
      best_edits = distance;
    }
  }
  return best;
}

}  // namespace salut::config
