// --so_flags: what a script asks of the stack where Linux would have a sysctl.
//
//   --so_flags=timestamps=off,recv_buffer=65535,msl_ms=1000
//
// Without any, the stack is set up as google/packetdrill's common/defaults.sh sets up a Linux host.
// An unknown key, or a value that is none, is an error and never ignored: a script that runs with
// other settings than it asked for proves nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include "salut/address.hpp"
#include "salut/stack_config.hpp"

namespace salut::packetdrill {

struct Flags {
  StackConfig stack;
  IpAddress local = IpAddress::v4(0xc0a80002);    // local: where connect() comes from
  IpAddress gateway = IpAddress::v4(0xc0a80001);  // gateway: the next hop to everybody else
  // Of IPv6, as packetdrill's run_all.py has them; the addresses of fd00::/16 are one link.
  IpAddress local6 = IpAddress::v6(0xfd3d'0a0b'17d6'0000, 1);    // local6
  IpAddress gateway6 = IpAddress::v6(0xfd3d'0a0b'17d6'8888, 1);  // gateway6
  std::uint16_t mtu = 1500;                                      // mtu
  Duration receive_limit = std::chrono::seconds{300};  // receive_limit_s: no packet for this long,
                                                       // in virtual time, is "none will come"
  bool trace = false;                                  // trace: each packet on stderr as it passes

  Flags();
};

// Throws std::invalid_argument with one line that says which flag and what would be right.
Flags parse_flags(std::string_view text);

}  // namespace salut::packetdrill
