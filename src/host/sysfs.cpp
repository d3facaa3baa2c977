#include "host/sysfs.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <memory>

namespace salut {
namespace {

constexpr std::size_t lines_max = 1'000'000;  // of a file; /proc/net/unix can be long
constexpr std::uint32_t list_max = 65'536;    // no machine has more CPUs

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(space);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

template <typename T>
std::optional<T> number_in(std::string_view text, int base) {
  T value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value, base);
  return error == std::errc{} && at == end ? std::optional(value) : std::nullopt;
}

}  // namespace

bool Sysfs::exists(std::string_view path) const { return may(path, F_OK); }

bool Sysfs::may(std::string_view path, int mode) const {
  return access(at(path).c_str(), mode) == 0;
}

bool Sysfs::opens(std::string_view path) const {
  const int fd = open(at(path).c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  close(fd);
  return true;
}

std::string Sysfs::line(std::string_view path) const {
  std::ifstream file(at(path));
  std::string text;
  std::getline(file, text);
  return std::string(trimmed(text));
}

std::vector<std::string> Sysfs::lines(std::string_view path) const {
  std::ifstream file(at(path));
  std::vector<std::string> all;
  for (std::string text; all.size() < lines_max && std::getline(file, text);) {
    all.push_back(std::move(text));
  }
  return all;
}

std::optional<std::int64_t> Sysfs::number(std::string_view path) const {
  const std::string text = line(path);
  if (text.starts_with("0x")) return number_in<std::int64_t>(text.substr(2), 16);
  return number_in<std::int64_t>(text, 10);
}

std::string Sysfs::target(std::string_view link) const {
  std::array<char, 4'096> buffer;
  const ssize_t size = readlink(at(link).c_str(), buffer.data(), buffer.size());
  if (size <= 0) return {};
  const std::string_view whole(buffer.data(), static_cast<std::size_t>(size));
  return std::string(whole.substr(whole.rfind('/') + 1));
}

std::vector<std::string> Sysfs::names(std::string_view directory) const {
  std::vector<std::string> all;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(opendir(at(directory).c_str()), closedir);
  if (open == nullptr) return all;
  while (const dirent* entry = readdir(open.get())) {
    if (entry->d_name[0] != '.') all.emplace_back(entry->d_name);
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::string Sysfs::value_of(std::string_view path, std::string_view key) const {
  for (const std::string& text : lines(path)) {
    const std::string_view all = text;
    const std::size_t colon = all.find(':');
    if (colon == std::string_view::npos || trimmed(all.substr(0, colon)) != key) continue;
    return std::string(trimmed(all.substr(colon + 1)));
  }
  return {};
}

std::vector<std::uint32_t> Sysfs::list(std::string_view path) const {
  return parse_list(line(path));
}

bool Sysfs::capable(unsigned capability) const {
  const auto mask = number_in<std::uint64_t>(value_of("/proc/self/status", "CapEff"), 16);
  return mask && (*mask >> capability & 1) != 0;
}

std::vector<std::uint32_t> parse_list(std::string_view text) {
  std::vector<std::uint32_t> numbers;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = trimmed(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    const std::size_t dash = part.find('-');
    const auto first = number_in<std::uint32_t>(part.substr(0, dash), 10);
    const auto last = dash == std::string_view::npos
                          ? first
                          : number_in<std::uint32_t>(part.substr(dash + 1), 10);
    if (!first || !last || *last >= list_max) continue;
    for (std::uint32_t i = *first; i <= *last; ++i) numbers.push_back(i);
  }
  return numbers;
}

std::string list_of(const std::vector<std::uint32_t>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (!text.empty()) text += ",";
    text +=
        last == i ? fmt::format("{}", numbers[i]) : fmt::format("{}-{}", numbers[i], numbers[last]);
    i = last;
  }
  return text;
}

}  // namespace salut
