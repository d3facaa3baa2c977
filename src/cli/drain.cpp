// `salut drain`: tells an instance to end without cutting anybody off.
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string_view>

#include "cli/commands.hpp"
#include "service/control_socket.hpp"

namespace salut::cli {

int run_drain(const DrainOptions& options) {
  constexpr std::chrono::seconds start_patience{20};
  const auto begin = std::chrono::steady_clock::now();
  const Result<int> fd = service::connect_to_instance(options.name, start_patience);
  if (!fd) return refuse(fd.error());
  constexpr std::string_view order = "drain\n";
  const bool sent =
      send(*fd, order.data(), order.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(order.size());
  const std::string answer = sent ? service::read_line(*fd) : "";
  if (answer.empty()) {
    close(*fd);
    return refuse(
        {Errc::not_found, fmt::format("--name = {}: the instance ended before it answered; "
                                      "want one that runs",
                                      options.name)});
  }
  fmt::print("{}: {}\n", options.name, answer);
  std::fflush(stdout);
  if (!options.wait) {
    close(*fd);
    return exit_ok;
  }
  const std::string last = service::read_line(*fd);
  close(*fd);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (last.empty()) {
    return refuse({Errc::not_found,
                   fmt::format("--name = {}: the instance died after {:.1f} s; want it to finish",
                               options.name, seconds)});
  }
  fmt::print("{}: {} after {:.1f} s\n", options.name, last, seconds);
  return exit_ok;
}

}  // namespace salut::cli
