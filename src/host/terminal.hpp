// What a stream leads to, as far as a person sees it.
//
// Threads: any.
#pragma once

#include <cstdio>

namespace salut {

// Whether escape sequences are understood there: a terminal, and TERM is not "dumb".
bool is_terminal(std::FILE* out);
// The same, and nobody asked for none (https://no-color.org: NO_COLOR is there and not empty).
bool has_colour(std::FILE* out);
// Columns of the terminal, now; 80 if it does not say.
unsigned terminal_width(std::FILE* out);

}  // namespace salut
