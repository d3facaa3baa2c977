// A file that a user named, read whole. It need not be the one that was meant: a directory opens,
// and /dev/zero has no end.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "salut/error.hpp"

namespace salut {

// Errors: "FILE: cannot read: WHY; want WANT", or "FILE: larger than MAX; want WANT".
Result<std::string> read_text_file(const std::string& path, std::size_t max, std::string_view want);

}  // namespace salut
