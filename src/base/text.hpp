// How messages and reports write values, numbers and error lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "salut/error.hpp"

namespace salut {

// The text in quotes, cut after `longest` bytes. Bytes that are not printable ASCII become '?', so
// that a value from outside can neither break the line nor send escape codes to a terminal.
std::string quoted(std::string_view text, std::size_t longest = 100);

std::string with_commas(std::uint64_t value);  // 1,234,567
std::string bytes_text(std::uint64_t bytes);   // 3.2 GiB

// The one line about a bad argument: "--rate = abc: PROBLEM; want WANT".
Error complaint(std::string_view flag, std::string_view value, std::string_view problem,
                std::string_view want);

}  // namespace salut
