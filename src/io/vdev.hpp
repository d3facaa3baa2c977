// A virtual device as DPDK's --vdev takes it, "net_vhost0,iface=/tmp/a.sock,queues=1", and the
// socket in it.
//
// A socket file stays when its server is killed, and the next server cannot bind to it. So
// prepare() removes a file that nobody listens on before the device is made, and clean_up() removes
// ours after the device is gone.
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
  std::string netdev;      // the kernel's interface below it; empty if there is none
  std::string socket;      // the Unix socket's path; empty if the device has none
  bool server = false;     // this side makes the socket
  bool seqpacket = false;  // the socket is SOCK_SEQPACKET, as memif's is
  bool waits = false;      // a client that may start before its server
  std::string id;          // memif only: several ids may share a socket

  static Vdev parse(std::string_view words);
  bool is(std::string_view driver) const { return name.starts_with(driver); }
  // Must we make the device again when its server was gone? The drivers of these clients do not
  // reconnect by themselves.
  bool is_revived() const { return !server && (is("net_memif") || shares_memory()); }
  // Does the device have a MAC that is the same at the next start? If not, the stack derives one.
  bool has_mac() const;
  // Does the other side map our memory, as a vhost-user back end does?
  bool shares_memory() const { return is("net_virtio_user") || is("virtio_user"); }

  // "1" for "queues" of net_vhost0,iface=/tmp/a.sock,queues=1; empty if it is not in the words.
  std::string value(std::string_view key) const;

  // What is at the socket's path: nothing, a socket that nobody listens on, a socket that a process
  // listens on, or a file that is no socket.
  enum class Socket : std::uint8_t { none, silent, heard, other_file };
  // An Error if the device cannot be made while `found` is at its path. (A server's silent socket
  // is removed first.)
  Result<void> judge(Socket found, std::string_view key = "vdev") const;
  // The largest MTU that the driver of DPDK 22.11 takes, in bytes; docs/configuration.md has a
  // table.
  std::uint32_t mtu_max() const;
  // How many queues its words ask for; 1 if they do not say.
  unsigned queues() const;

  // To be called before the device is made. Removes a stale socket; refuses a socket that is in
  // use, and a missing one that a client needs. Errors start with `key`, and `words` as its value.
  Result<void> prepare(std::string_view key = "vdev") const;
  // Is there a socket at its path? Only a connection would tell whether somebody listens on it, and
  // a connection that sends nothing confuses DPDK's servers.
  bool has_socket() const;
  // To be called after the device is gone: removes our socket.
  void clean_up() const;
};

}  // namespace salut::io
