// A virtual device in DPDK's words, "net_vhost0,iface=/tmp/a.sock,queues=1", and the socket in it.
//
// A server's socket file outlives a process that was killed, and the next one could not bind: a
// file that nobody listens on is removed before the device is made, and our own after it is gone.
//
// Threads: control thread. Errors start with the key of the port: `vdev = "…": what; want …`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "salut/error.hpp"

namespace salut::io {

struct Vdev {
  std::string words;       // as configured
  std::string name;        // "net_vhost0"
  std::string arguments;   // "iface=/tmp/a.sock,queues=1"
  std::string socket;      // the Unix socket's path; empty if the device has none
  bool server = false;     // this side makes the socket
  bool seqpacket = false;  // memif's kind

  static Vdev parse(std::string_view words);
  bool is(std::string_view driver) const { return name.starts_with(driver); }
  // The other side maps our memory: vhost-user.
  bool shares_memory() const { return is("net_virtio_user") || is("virtio_user"); }

  // "1" for "queues" of net_vhost0,iface=/tmp/a.sock,queues=1; empty if it is not in the words.
  std::string value(std::string_view key) const;

  // What is at the socket's path.
  enum class Socket : std::uint8_t { none, silent, heard, other_file };
  // Whether the device can be made when that is there; a silent one of a server must go first.
  Result<void> judge(Socket found) const;
  // As its words say; 1 where they do not.
  unsigned queues() const;

  // Before the device is made: removes a stale socket, refuses one in use or one that must be
  // there.
  Result<void> prepare() const;
  // After it is gone.
  void clean_up() const;
};

}  // namespace salut::io
