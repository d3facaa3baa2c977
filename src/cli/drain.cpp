// `salut drain`: tells an instance to finish its connections and end.
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string_view>

#include "cli/commands.hpp"
#include "host/say.hpp"
#include "service/control_socket.hpp"

namespace salut::cli {
namespace {

constexpr int answer_patience_s = 30;

}  // namespace

int run_drain(const DrainOptions& options) {
  constexpr std::chrono::seconds start_patience{20};
  const auto begin = std::chrono::steady_clock::now();
  const Result<int> fd = service::connect_to_instance(options.name, start_patience);
  if (!fd) return refuse(fd.error());
  // An instance answers late while it runs a command of [announce].
  const timeval patience{answer_patience_s, 0};
  setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  constexpr std::string_view order = "drain\n";
  const bool sent =
      send(*fd, order.data(), order.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(order.size());
  const std::string answer = sent ? service::read_line(*fd) : "";
  if (answer.empty()) {
    const bool late = sent && (errno == EAGAIN || errno == EWOULDBLOCK);
    close(*fd);
    if (late) {
      return refuse(
          {Errc::unsupported, fmt::format("--name = {}: no answer in {} s; want it to look at "
                                          "its socket, which will drain it then",
                                          options.name, answer_patience_s)});
    }
    return refuse(
        {Errc::not_found, fmt::format("--name = {}: the instance hung up before it answered; "
                                      "want one that runs",
                                      options.name)});
  }
  // Not "draining …" or "already draining …": too many clients, or no instance of ours.
  if (answer.find("draining") == std::string::npos) {
    close(*fd);
    return refuse({Errc::in_use, fmt::format("--name = {}: the instance says \"{}\"; want it to "
                                             "take the order",
                                             options.name, answer)});
  }
  say(stdout, "{}: {}\n", options.name, answer);
  std::fflush(stdout);
  if (!options.wait) {
    close(*fd);
    return exit_ok;
  }
  const timeval for_ever{};
  setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof(for_ever));
  const std::string last = service::read_line(*fd);
  close(*fd);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (last.empty()) {
    return refuse({Errc::not_found,
                   fmt::format("--name = {}: the instance died after {:.1f} s; want it to finish",
                               options.name, seconds)});
  }
  say(stdout, "{}: {} after {:.1f} s\n", options.name, last, seconds);
  return exit_ok;
}

}  // namespace salut::cli
