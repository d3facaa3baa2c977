// The Unix socket on which `salut drain` asks an instance to drain. It lies beside the instance's
// lock.
//
// The two exchange lines of text. The client sends `drain`. The instance answers `draining, N open`
// or `already draining, N open`, counted in connections. At its end it sends `drained, N left open`
// or, if it was not drained, `stopped`. A client that sends anything else, or too much, is
// disconnected. It is a socket and not a signal because a socket answers, it cannot reach a wrong
// process, and a client that waits sees the instance end, however it ends. Only the instance's user
// may connect (mode 0600). We hold the lock, so an earlier instance of this name is dead, and
// open() removes its socket.
//
// The oldest client that sent nothing makes room for a new one. A client for whom there is no room
// is told `busy: WHY`. One spare descriptor is kept, to say so when no other is left.
//
// The client trusts only a socket of its own user (host/run_directory.hpp), and prints only
// printable characters of the answer.
//
// Threads: control thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
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
  // Sends the line to every client that is still connected.
  void tell(std::string_view line);

 private:
  static constexpr std::size_t clients_max = 8;
  static constexpr std::size_t line_max = 64;
  static constexpr std::chrono::milliseconds no_descriptor_nap{20};
  struct Client {
    int fd = -1;
    bool spoke = false;
    std::uint64_t number = 0;  // in order of arrival
    std::string line;
  };

  ControlSocket(std::string path, int fd);
  void accept_one();
  void turn_away();
  Client* find_room();
  void read_from(Client& client, const std::function<std::string(std::string_view line)>& answer);
  static void hang_up(Client& client);

  std::string path_;
  int fd_ = -1;
  int spare_ = -1;  // closed for a moment, to tell a client that there is none left
  std::uint64_t came_ = 0;
  std::array<Client, clients_max> clients_;
};

// The client's end: connects to the instance, or says in one line why not. An instance that holds
// the lock but has no socket yet is starting: the client waits for it.
Result<int> connect_to_instance(const std::string& name, std::chrono::milliseconds patience);

// The next line, without its end, its printable characters alone; empty at the end of the
// connection.
std::string read_line(int fd);

}  // namespace salut::service
