// The Unix socket beside an instance's lock, on which `salut drain` gives its order.
//
// Lines of text. The client says `drain`; the instance answers `draining N` or `already draining N`
// (connections open), and when it ends `left N` (how many were cut off). What speaks otherwise, or
// too long, is hung up on. A socket and no signal: it answers, it cannot hit a process that has
// another use for the signal, and a client that waits sees the end whatever it is. Only the
// instance's user may connect (mode 0600); whoever held the name before is dead, so that a socket
// that he left is taken away.
//
// Threads: control thread.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "salut/error.hpp"

namespace salut::service {

class ControlSocket {
 public:
  // REQUIRES: this process has the lock of the instance `name`.
  static Result<ControlSocket> open(const std::string& name);
  ControlSocket(ControlSocket&& other) noexcept;
  ControlSocket& operator=(ControlSocket&&) = delete;
  ~ControlSocket();

  // Waits for at most `patience` and calls `answer` with each line; what it returns is sent back.
  void serve(std::chrono::milliseconds patience,
             const std::function<std::string(std::string_view line)>& answer);
  // To everybody who is still there.
  void tell(std::string_view line);

 private:
  static constexpr std::size_t clients_max = 8;
  static constexpr std::size_t line_max = 64;
  struct Client {
    int fd = -1;
    std::string line;
  };

  ControlSocket(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  void accept_one();
  void read_from(Client& client, const std::function<std::string(std::string_view line)>& answer);
  static void hang_up(Client& client);

  std::string path_;
  int fd_ = -1;
  std::array<Client, clients_max> clients_;
};

// The client's end: connects to the instance, or says in one line why not. One that has its name
// and not yet its socket is starting, and waited for.
Result<int> connect_to_instance(const std::string& name, std::chrono::milliseconds patience);

// The next line, without its end; empty at the end of the connection.
std::string read_line(int fd);

}  // namespace salut::service
