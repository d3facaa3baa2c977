#include "cli/files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/commands.hpp"
#include "host/say.hpp"

namespace salut::cli {
namespace {

const char* room_for(int why) { return why == ENOSPC ? "a disk with room" : "another file"; }

}  // namespace

int refuse(const Error& error) {
  say(stderr, "salut: {}\n", error.message);
  return exit_refused;
}

int refuse_failed(std::span<const Result<void>> results) {
  int status = exit_ok;
  for (const Result<void>& one : results) {
    if (!one) status = refuse(one.error());
  }
  return status;
}

bool can_write(const std::string& file) {
  if (file.empty() || file == "-") return true;
  struct stat status = {};
  if (stat(file.c_str(), &status) == 0) {
    if (!S_ISDIR(status.st_mode)) return access(file.c_str(), W_OK) == 0;
    errno = EISDIR;  // which access() would take
    return false;
  }
  if (errno != ENOENT) return false;
  const std::size_t slash = file.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : file.substr(0, slash + 1);
  return access(folder.c_str(), W_OK | X_OK) == 0;
}

Result<void> write_text(std::string_view flag, const std::string& file, const std::string& text) {
  if (file.empty()) return {};
  if (file == "-") return print_result(stdout, text);
  std::FILE* const out = std::fopen(file.c_str(), "w");
  if (out == nullptr) return tl::unexpected<Error>(cannot_write(flag, file));
  int why = say_text(out, text) && std::fflush(out) == 0 ? 0 : errno;
  if (std::fclose(out) != 0 && why == 0) why = errno;
  if (why == 0) return {};
  return fail(Errc::no_permission, fmt::format("{} = {}: cannot be written: {}; want {}", flag,
                                               file, std::strerror(why), room_for(why)));
}

Result<void> print_result(std::FILE* out, std::string_view text) {
  if (say_text(out, text) && std::fflush(out) == 0) return {};
  return fail(
      Errc::no_permission,
      fmt::format("standard {}: cannot be written: {}; want {}", out == stderr ? "error" : "output",
                  std::strerror(errno), errno == EPIPE ? "a reader that stays" : room_for(errno)));
}

Error cannot_write(std::string_view flag, const std::string& file) {
  return {Errc::no_permission,
          fmt::format("{} = {}: cannot be written: {}; want a file in a folder that is there, or -",
                      flag, file, std::strerror(errno))};
}

}  // namespace salut::cli
