// The files that a command was told to write: a name, "-" for standard output, or nothing.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "salut/error.hpp"

namespace salut::cli {

// Asked before the run: ten seconds of work are not to end in a file that cannot be written.
bool can_write(const std::string& file);

Result<void> write_text(std::string_view flag, const std::string& file, const std::string& text);
// What a command was asked for, on standard output: a full disk or a reader that left is an error.
Result<void> print_result(std::FILE* out, std::string_view text);

// By errno.
Error cannot_write(std::string_view flag, const std::string& file);

}  // namespace salut::cli
