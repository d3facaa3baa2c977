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
  std::string netdev;      // the kernel's interface it sits on; empty if on none
  std::string socket;      // the Unix socket's path; empty if the device has none
  bool server = false;     // this side makes the socket
  bool seqpacket = false;  // memif's kind
  bool waits = false;      // a client that may be there before its server
  std::string id;          // memif's: several share a socket

  static Vdev parse(std::string_view words);
  bool is(std::string_view driver) const { return name.starts_with(driver); }
  // A client whose driver does not come back to a server that was gone: it is made anew.
  bool is_revived() const { return !server && (is("net_memif") || shares_memory()); }
  // Has it a MAC that is its own and the same at the next start? If not, the stack has a better
  // one.
  bool has_mac() const;
  // The other side maps our memory: vhost-user.
  bool shares_memory() const { return is("net_virtio_user") || is("virtio_user"); }

  // "1" for "queues" of net_vhost0,iface=/tmp/a.sock,queues=1; empty if it is not in the words.
  std::string value(std::string_view key) const;

  // What is at the socket's path.
  enum class Socket : std::uint8_t { none, silent, heard, other_file };
  // Whether the device can be made when that is there; a silent one of a server must go first.
  Result<void> judge(Socket found, std::string_view key = "vdev") const;
  // What the driver of DPDK 22.11 takes at most; docs/configuration.md has them as a table.
  std::uint32_t mtu_max() const;
  // As its words say; 1 where they do not.
  unsigned queues() const;

  // Before the device is made: removes a stale socket, refuses one in use or one that must be
  // there. Errors start with `key`, and `words` as its value.
  Result<void> prepare(std::string_view key = "vdev") const;
  // Is there a socket at its path? Whether somebody listens only a connection would tell, and one
  // that says nothing more confuses DPDK's servers.
  bool has_socket() const;
  // After it is gone.
  void clean_up() const;
};

}  // namespace salut::io
