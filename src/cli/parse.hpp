// Values of arguments, with the one line that says what is wrong and what would be right.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "salut/address.hpp"
#include "salut/config.hpp"
#include "salut/error.hpp"
#include "salut/time.hpp"

namespace salut::cli {

// A whole number, or one with k, M or G: "250000", "250k", "1.5M".
Result<std::uint64_t> parse_count(std::string_view flag, std::string_view text, std::uint64_t min,
                                  std::uint64_t max);
// A number that may have a fraction, with k, M or G.
Result<double> parse_number(std::string_view flag, std::string_view text, double min, double max);
// Bytes: "1500", "10k" and "10M" (thousands), "64KiB" and "1MiB".
Result<std::uint64_t> parse_bytes(std::string_view flag, std::string_view text, std::uint64_t max);
// Seconds: "10", "0.5", "10s".
Result<Duration> parse_seconds(std::string_view flag, std::string_view text, double min,
                               double max);
// "0,1"
Result<std::vector<std::uint32_t>> parse_cores(std::string_view flag, std::string_view text);
// "drop=1%,reorder=0.02,delay=500us,seed=7": a share as a fraction or per cent, times in s, ms, us.
Result<ImpairConfig> parse_impair(std::string_view flag, std::string_view text);
// The word's place in `words`.
Result<std::size_t> parse_word(std::string_view flag, std::string_view text,
                               const std::vector<std::string_view>& words);

}  // namespace salut::cli
