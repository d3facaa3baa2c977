#include "host/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace salut {

bool is_terminal(std::FILE* out) {
  const char* kind = std::getenv("TERM");
  return kind != nullptr && *kind != '\0' && std::string_view(kind) != "dumb" &&
         isatty(fileno(out)) == 1;
}

bool has_colour(std::FILE* out) {
  const char* none = std::getenv("NO_COLOR");
  return (none == nullptr || *none == '\0') && is_terminal(out);
}

unsigned terminal_width(std::FILE* out) {
  constexpr unsigned usual = 80;
  winsize size = {};
  return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col != 0 ? size.ws_col : usual;
}

}  // namespace salut
