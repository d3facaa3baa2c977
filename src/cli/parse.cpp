#include "cli/parse.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <variant>

#include "config/keys.hpp"

namespace salut::cli {

namespace {

struct Suffix {
  std::string_view text;
  double factor;
};
constexpr Suffix counts[] = {{"", 1}, {"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}};
constexpr Suffix bytes[] = {{"", 1},     {"B", 1},      {"k", 1e3},       {"K", 1e3},
                            {"kB", 1e3}, {"M", 1e6},    {"MB", 1e6},      {"G", 1e9},
                            {"GB", 1e9}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}};
constexpr Suffix shares[] = {{"", 1}, {"%", 0.01}};
constexpr Suffix seconds[] = {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"us", 1e-6}};

template <std::size_t N>
std::optional<double> scaled(std::string_view text, const Suffix (&suffixes)[N]) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc{} || !std::isfinite(number)) return std::nullopt;
  const std::string_view suffix(rest, static_cast<std::size_t>(end - rest));
  for (const Suffix& known : suffixes) {
    if (suffix == known.text) return number * known.factor;
  }
  return std::nullopt;
}

// What every number goes through.
template <std::size_t N>
Result<double> number(std::string_view flag, std::string_view text, const Suffix (&suffixes)[N],
                      double min, double max, const std::string& want, bool whole = false) {
  const std::optional<double> value = scaled(text, suffixes);
  const bool is_one = value && (!whole || *value == std::floor(*value));
  if (is_one && in_range(*value, min, max)) return *value;
  return tl::unexpected<Error>(
      complaint(flag, text, is_one ? "out of range" : "not a number", want));
}

std::uint64_t as_count(double value) { return static_cast<std::uint64_t>(value); }

}  // namespace

Result<std::uint64_t> parse_count(std::string_view flag, std::string_view text, std::uint64_t min,
                                  std::uint64_t max) {
  const std::string want = fmt::format("a whole number, {} to {}", min, max);
  return number(flag, text, counts, static_cast<double>(min), static_cast<double>(max), want, true)
      .map(as_count);
}

Result<double> parse_number(std::string_view flag, std::string_view text, double min, double max) {
  return number(flag, text, counts, min, max,
                fmt::format("{} to {:.0f}, such as 250000 or 250k", min, max));
}

Result<std::uint64_t> parse_bytes(std::string_view flag, std::string_view text, std::uint64_t max) {
  const std::string want = fmt::format("bytes, 0 to {}, such as 1500, 10M or 64KiB", max);
  return number(flag, text, bytes, 0, static_cast<double>(max), want, true).map(as_count);
}

Result<Duration> parse_seconds(std::string_view flag, std::string_view text, double min,
                               double max) {
  return number(flag, text, seconds, min, max, fmt::format("seconds, {} to {}", min, max))
      .map([](double value) { return Duration(std::llround(value * 1e9)); });
}

Result<std::vector<std::uint32_t>> parse_cores(std::string_view flag, std::string_view text) {
  std::vector<std::uint32_t> cores;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    std::uint32_t core = 0;
    const auto [rest, error] = std::from_chars(at, end, core);
    if (error != std::errc{} || (rest != end && *rest != ',')) {
      return tl::unexpected<Error>(
          complaint(flag, text, "not a list of cores", "numbers with commas, such as 0,1"));
    }
    cores.push_back(core);
    if (rest == end) return cores;
    at = rest + 1;
  }
}

namespace {

// "delay" for delay_us: on the command line a time has its unit with it.
std::string_view impair_word(const config::ImpairNumber& entry) {
  std::string_view word = entry.key;
  if (word.ends_with("_us")) word.remove_suffix(3);
  return word;
}

bool is_share(const config::ImpairNumber& entry) {
  return std::holds_alternative<double ImpairConfig::*>(entry.field);
}

bool take_seed(std::string_view value, ImpairConfig& impair) {
  const auto number = scaled(value, counts);
  if (!number || *number < 0 || *number >= 9e18) return false;
  impair.seed = static_cast<std::uint64_t>(*number);
  return true;
}

bool take_number(const config::ImpairNumber& entry, std::string_view value, ImpairConfig& impair) {
  const auto number = is_share(entry) ? scaled(value, shares) : scaled(value, seconds);
  if (!number) return false;
  const double in_unit = is_share(entry) ? *number : std::round(*number * 1e9) / entry.unit_ns;
  if (!in_range(in_unit, entry.min, entry.max)) return false;
  if (is_share(entry)) {
    impair.*std::get<double ImpairConfig::*>(entry.field) = *number;
  } else {
    impair.*std::get<Duration ImpairConfig::*>(entry.field) = Duration(std::llround(*number * 1e9));
  }
  return true;
}

// One of the words of parse_impair; false if it is none.
bool take_impairment(std::string_view key, std::string_view value, ImpairConfig& impair) {
  if (key == "seed") return take_seed(value, impair);
  const auto* const entry = std::ranges::find(config::impair_numbers, key, impair_word);
  return entry != config::impair_numbers.end() && take_number(*entry, value, impair);
}

// "drop, duplicate": those that are shares, or those that are times.
std::string impair_words(bool shares_wanted) {
  std::string words;
  for (const config::ImpairNumber& entry : config::impair_numbers) {
    if (is_share(entry) == shares_wanted) words += fmt::format("{}, ", impair_word(entry));
  }
  words.resize(words.size() - 2);
  return words;
}

}  // namespace

Result<ImpairConfig> parse_impair(std::string_view flag, std::string_view text) {
  ImpairConfig impair;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    const std::size_t equals = std::min(word.find('='), word.size());
    const std::string_view value = word.substr(std::min(equals + 1, word.size()));
    if (!take_impairment(word.substr(0, equals), value, impair)) {
      return tl::unexpected<Error>(
          complaint(flag, word, "not understood",
                    fmt::format("some of {} (1% or 0.01), {} (500us, at most 1s), seed, such as "
                                "drop=1%,reorder=2%,seed=7",
                                impair_words(true), impair_words(false))));
    }
    at = end + 1;
  }
  return impair;
}

Result<std::size_t> parse_word(std::string_view flag, std::string_view text,
                               const std::vector<std::string_view>& words) {
  const auto found = std::ranges::find(words, text);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  return tl::unexpected<Error>(
      complaint(flag, text, "unknown", fmt::format("{}", fmt::join(words, ", "))));
}

}  // namespace salut::cli
