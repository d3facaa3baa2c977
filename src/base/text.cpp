#include "base/text.hpp"

#include <array>
#include <cstdio>

namespace salut {

std::string quoted(std::string_view text, std::size_t longest) {
  std::string out = "\"";
  for (const char c : text.substr(0, longest)) out += c >= ' ' && c <= '~' ? c : '?';
  if (text.size() > longest) out += "...";
  return out + '"';
}

std::string with_commas(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return digits;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> units = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  std::array<char, 48> text;
  std::snprintf(text.data(), text.size(), "%.*f %s", unit == 0 || value >= 100 ? 0 : 1, value,
                units[unit]);
  return text.data();
}

Error complaint(std::string_view flag, std::string_view value, std::string_view problem,
                std::string_view want) {
  std::string line;
  const std::array<std::string_view, 7> parts = {flag,    " = ",     value, ": ",
                                                 problem, "; want ", want};
  for (const std::string_view part : parts) line += part;
  return {Errc::invalid_argument, std::move(line)};
}

}  // namespace salut
