#include "host/text_file.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/text.hpp"

namespace salut {

Result<std::string> read_text_file(const std::string& path, std::size_t max,
                                   std::string_view want) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             std::fclose);
  std::string text;
  std::array<char, 65'536> chunk;
  std::size_t got = 0;
  while (file && (got = std::fread(chunk.data(), 1, chunk.size(), file.get())) > 0) {
    text.append(chunk.data(), got);
    if (text.size() <= max) continue;
    return fail(Errc::invalid_argument,
                fmt::format("{}: larger than {}; want {}", path, bytes_text(max), want));
  }
  if (file && std::ferror(file.get()) == 0) return text;
  const int why = errno;
  return fail(why == EACCES ? Errc::no_permission : Errc::not_found,
              fmt::format("{}: cannot read: {}; want {}", path, std::strerror(why), want));
}

}  // namespace salut
