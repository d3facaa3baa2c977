// Output files of a command: a name, "-" for standard output, or empty for none.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "salut/error.hpp"

namespace salut::cli {

// Called before the run, so that a wrong name does not cost a whole run. False: errno says why.
bool can_write(const std::string& file);

Result<void> write_text(std::string_view flag, const std::string& file, const std::string& text);
// Writes the result of a command. A full disk or a closed pipe is an error.
Result<void> print_result(std::FILE* out, std::string_view text);

// The error for what errno says.
Error cannot_write(std::string_view flag, const std::string& file);

}  // namespace salut::cli
