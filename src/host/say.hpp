// A line for a person, on a stream that may be gone.
//
// fmt::print() throws where nothing can be written. A closed terminal, a pipe without a reader or a
// full disk under standard error must not end a server, so what cannot be written is dropped.
//
// Threads: any.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

namespace salut {

// False if it was not written, which matters only for the result of the program.
inline bool say_text(std::FILE* out, std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), out) == text.size();
}

template <typename... Arguments>
bool say(std::FILE* out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  return say_text(out, fmt::format(format, std::forward<Arguments>(arguments)...));
}

// Text of another process: what is not printable ASCII becomes '?', so that no terminal obeys it,
// and it ends after `limit` characters.
inline std::string printable(std::string_view text, std::size_t limit = 200) {
  std::string clean(text.substr(0, limit));
  for (char& c : clean) {
    if (c < ' ' || c > '~') c = '?';
  }
  return clean;
}

}  // namespace salut
