#include "cli/files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace salut::cli {

bool can_write(const std::string& file) {
  if (file.empty() || file == "-") return true;
  if (access(file.c_str(), F_OK) == 0) return access(file.c_str(), W_OK) == 0;
  const std::size_t slash = file.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : file.substr(0, slash + 1);
  return access(folder.c_str(), W_OK) == 0;
}

bool write_text(const std::string& file, const std::string& text) {
  if (file.empty()) return true;
  std::FILE* const out = file == "-" ? stdout : std::fopen(file.c_str(), "w");
  if (out == nullptr) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), out) == text.size();
  return (out == stdout ? std::fflush(out) : std::fclose(out)) == 0 && written;
}

Error cannot_write(std::string_view flag, const std::string& file) {
  return {Errc::no_permission,
          fmt::format("{} = {}: cannot be written; want a file in a folder that is there, or -",
                      flag, file)};
}

}  // namespace salut::cli
