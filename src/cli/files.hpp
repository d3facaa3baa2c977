// The files that a command was told to write: a name, "-" for standard output, or nothing.
#pragma once

#include <string>
#include <string_view>

#include "salut/error.hpp"

namespace salut::cli {

// Asked before the run: ten seconds of work are not to end in a file that cannot be written.
bool can_write(const std::string& file);

bool write_text(const std::string& file, const std::string& text);

Error cannot_write(std::string_view flag, const std::string& file);

}  // namespace salut::cli
