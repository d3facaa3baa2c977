// Words for people: values, numbers and complaints, as messages and reports have them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "salut/error.hpp"

namespace salut {

// "text" in quotes, of at most `longest` bytes, on one line, with nothing that a terminal acts on.
std::string quoted(std::string_view text, std::size_t longest = 100);

std::string with_commas(std::uint64_t value);  // 1,234,567
std::string bytes_text(std::uint64_t bytes);   // 3.2 GiB

// The one line about a bad argument: "--rate = abc: PROBLEM; want WANT".
Error complaint(std::string_view flag, std::string_view value, std::string_view problem,
                std::string_view want);

}  // namespace salut
